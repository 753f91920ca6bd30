//! An operator that is a process of this machine.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::super::measure::worked;
use super::super::product::without_settings;
use super::ground::Ground;
use crate::machine::output;

/// How often something is looked at that is waited for.
const LOOK: Duration = Duration::from_millis(50);

/// An operator that runs; it is killed with the value.
pub(super) struct Operator {
    child: Child,
    port: u16,
    log: PathBuf,
}

/// What the kernel counted of a process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    /// Time on a processor, in seconds.
    pub(super) seconds: f64,
    /// Resident now, in KiB.
    pub(super) resident: u64,
    /// The most that was resident, in KiB.
    pub(super) peak: u64,
}

impl Operator {
    /// Starts one for the namespace of a measure, with this name.
    pub(super) fn start(ground: &Ground<'_>, namespace: &str, name: &str) -> Result<Self, String> {
        let port = cofferdam_scratch::free_port().map_err(|e| e.to_string())?;
        let log = ground.folder.path().join(format!("{namespace}-{name}.log"));
        let cannot = |e: std::io::Error| format!("cannot run the operator: {e}");
        let child = without_settings(&ground.product.program, ground.folder.path())
            .arg("operator")
            .env("KUBECONFIG", &ground.kubeconfig)
            .env("COFFERDAM_NAMESPACE", namespace)
            .env("COFFERDAM_WATCH_NAMESPACES", namespace)
            .env("COFFERDAM_POD_NAME", name)
            .env("COFFERDAM_RUNNER_IMAGE", &ground.image)
            .env("COFFERDAM_HTTP_PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).map_err(cannot)?)
            .spawn()
            .map_err(cannot)?;
        Ok(Self { child, port, log })
    }

    /// One of its metrics, with all labels together; 0 where it does not answer yet.
    pub(super) fn metric(&self, name: &str) -> f64 {
        let lines = self.metrics().unwrap_or_default();
        let of_it = |line: &&str| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
        };
        lines.lines().filter(of_it).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Waits until it is so, and says how long that was since `began`.
    pub(super) fn until(
        &mut self,
        began: Instant,
        patience: Duration,
        what: &str,
        so: impl Fn(&Self) -> bool,
    ) -> Result<Duration, String> {
        while !so(self) {
            let ended = self.child.try_wait().map_err(|e| e.to_string())?;
            if ended.is_some() || began.elapsed() > patience {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(5).collect();
                return Err(format!("waited in vain until {what} ({ended:?}): {}", last.join("\n")));
            }
            sleep(LOOK);
        }
        Ok(began.elapsed())
    }

    /// What it used since its start.
    pub(super) fn used(&self) -> Result<Used, String> {
        let file = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?;
        let memory = |line: &str| memory(&status, line).ok_or(format!("the kernel does not say {line}"));
        Ok(Used { seconds: worked(self.child.id())?, resident: memory("VmRSS:")?, peak: memory("VmHWM:")? })
    }

    /// Sends a signal, by its name for kill(1), and waits for the end.
    pub(super) fn end(mut self, signal: &str) -> Result<(), String> {
        output(Command::new("kill").args([format!("-{signal}"), self.child.id().to_string()]))?;
        self.child.wait().map(|_| ()).map_err(|e| e.to_string())
    }

    fn metrics(&self) -> Option<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `VmRSS:   18364 kB`.
fn memory(status: &str, line: &str) -> Option<u64> {
    let text = status.lines().find_map(|l| l.strip_prefix(line))?;
    text.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_words_are_read() {
        assert_eq!(memory("VmHWM:\t  20 kB\nVmRSS:\t 18 kB\n", "VmRSS:"), Some(18));
    }
}
