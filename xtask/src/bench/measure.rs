//! Measuring a command: how long it took, how much memory it had at most.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Several measurements of the same thing, in milliseconds.
#[derive(Debug, Default, Clone)]
pub(super) struct Times(Vec<f64>);

impl Times {
    pub(super) fn add(&mut self, duration: Duration) {
        self.0.push(duration.as_secs_f64() * 1000.0);
    }

    /// The median, the least and the most. `None` when nothing was measured.
    pub(super) fn summary(&self) -> Option<Summary> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let (least, most) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        // Of an even number there are two in the middle.
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Summary { median, least, most })
    }
}

/// What stands in a table for [`Times`], in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

/// Runs a command to its end, from before it is started until it is gone. An end with another code than those
/// given is an error that says what the command said.
pub(super) fn timed(command: &mut Command, fine: &[i32]) -> Result<Duration, String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let program = command.get_program().display().to_string();
    let began = Instant::now();
    let output = command.output().map_err(|e| format!("cannot run {program}: {e}"))?;
    let took = began.elapsed();
    if output.status.code().is_some_and(|code| fine.contains(&code)) {
        return Ok(took);
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let end: Vec<&str> = said.lines().rev().take(20).collect();
    let end: Vec<&str> = end.into_iter().rev().collect();
    Err(format!("{program} ended with {}:\n{}", output.status, end.join("\n")))
}

/// How often the memory of a running command is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// Runs a command to its good end; the most memory that it had resident, in KiB, as the kernel counted it.
pub(super) fn peak_memory(command: &mut Command) -> Result<u64, String> {
    peak_memory_ending(command, &[0])
}

/// The same of a command that ends with one of these codes.
pub(super) fn peak_memory_ending(command: &mut Command, fine: &[i32]) -> Result<u64, String> {
    let program = command.get_program().display().to_string();
    let cannot = |e: std::io::Error| format!("cannot run {program}: {e}");
    // Nothing reads here while it runs, so a pipe could fill up: its words go to a file.
    let said = tempfile::NamedTempFile::new().map_err(cannot)?;
    let (out, err) = (said.reopen().map_err(cannot)?, said.reopen().map_err(cannot)?);
    let mut child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().map_err(cannot)?;
    let mut most = 0;
    let end = loop {
        // It only grows, so that the last look before the end is the one that counts.
        most = most.max(resident_peak(child.id(), &program).unwrap_or(0));
        if let Some(end) = child.try_wait().map_err(cannot)? {
            break end;
        }
        std::thread::sleep(LOOK);
    };
    if !end.code().is_some_and(|code| fine.contains(&code)) {
        let said = fs::read_to_string(said.path()).unwrap_or_default();
        return Err(format!("{program} ended with {end}:\n{said}"));
    }
    if most == 0 { Err(format!("the kernel does not say how much memory {program} had")) } else { Ok(most) }
}

/// The most memory that a process which runs had resident until now, in KiB. `None` before it is the program, which
/// it is after `exec`, and after its end.
pub(super) fn resident_peak(pid: u32, program: &str) -> Option<u64> {
    if !is_program(pid, program) {
        return None;
    }
    high_water(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn is_program(pid: u32, program: &str) -> bool {
    let real = |path: &str| fs::canonicalize(path).ok();
    real(&format!("/proc/{pid}/exe")).is_some_and(|exe| Some(exe) == real(program))
}

/// `VmHWM:   18364 kB`. A process that has ended and was not waited for has no such line.
fn high_water(status: &str) -> Option<u64> {
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?
        .trim()
        .strip_suffix("kB")?
        .trim()
        .parse()
        .ok()
}

/// Seconds that a process worked since its start, in user and in kernel mode, its threads together.
pub(super) fn worked(pid: u32) -> Result<f64, String> {
    let file = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?;
    let ticks = ticks(&stat).ok_or("the kernel does not say how long a process worked")?;
    // Every Linux that there is counts a hundred in a second.
    Ok(ticks as f64 / 100.0)
}

/// `PID (NAME) STATE ...`: the 14th and the 15th field are the times in user and in kernel mode. A name may have spaces.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        let of = |times: &[u64]| {
            let mut all = Times::default();
            times.iter().for_each(|ms| all.add(Duration::from_millis(*ms)));
            all.summary()
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[9, 1, 2]), Some(Summary { median: 2.0, least: 1.0, most: 9.0 }));
        assert_eq!(of(&[4, 1, 2, 9]), Some(Summary { median: 3.0, least: 1.0, most: 9.0 }));
    }

    #[test]
    fn the_high_water_mark_is_read() {
        assert_eq!(high_water("VmPeak:\t  99 kB\nVmHWM:\t   18364 kB\nVmRSS:\t 1 kB\n"), Some(18_364));
        assert_eq!(high_water("Name:\tx\nState:\tZ (zombie)\n"), None);
    }

    #[test]
    fn the_time_of_a_process_is_read() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194560 9 8 7 6 120 30 0 0 20 0 5 0 1 2 3";
        assert_eq!(ticks(stat), Some(150));
    }

    #[test]
    fn a_command_that_fails_is_no_measurement() {
        let why = timed(Command::new("sh").args(["-c", "echo broken >&2; exit 3"]), &[0, 4]).unwrap_err();
        assert!(why.contains("broken"), "{why}");
        assert!(timed(Command::new("sh").args(["-c", "exit 4"]), &[0, 4]).is_ok());
    }
}
