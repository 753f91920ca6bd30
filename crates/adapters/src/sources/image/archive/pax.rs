//! Extended headers: those of POSIX (`pax`) and the long names of GNU.

/// What extended headers say of the entry behind them.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    /// It is a sparse file in one of the POSIX ways to write one.
    pub(super) sparse: bool,
    /// The real name of a sparse file: its other name is one that is made up.
    sparse_name: bool,
    /// The types of the headers seen.
    seen: Vec<u8>,
}

impl Extensions {
    pub(super) fn is_empty(&self) -> bool {
        self.seen.iter().all(|flag| *flag == b'g')
    }

    /// Adds a header of this type.
    pub(super) fn add(&mut self, flag: u8, contents: &[u8]) -> Result<(), String> {
        if flag != b'g' && self.seen.contains(&flag) {
            return Err("an entry has two extended headers of one type".to_owned());
        }
        if !self.seen.contains(&flag) {
            self.seen.push(flag);
        }
        match flag {
            b'L' => set(&mut self.path, long_name(contents)?),
            b'K' => set(&mut self.link, long_name(contents)?),
            b'g' => global(contents),
            _ => self.records(contents),
        }
    }

    fn records(&mut self, contents: &[u8]) -> Result<(), String> {
        for record in Records(contents) {
            let (key, value) = record?;
            match key {
                b"path" if self.sparse_name => {}
                b"path" => set(&mut self.path, value.to_vec())?,
                b"linkpath" => set(&mut self.link, value.to_vec())?,
                b"size" => {
                    let size = number(value).ok_or("an extended header's size is no number")?;
                    if self.size.replace(size).is_some() {
                        return Err("an extended header says a size twice".to_owned());
                    }
                }
                b"GNU.sparse.name" => {
                    self.path = Some(value.to_vec());
                    (self.sparse, self.sparse_name) = (true, true);
                }
                key if key.starts_with(b"GNU.sparse.") => self.sparse = true,
                _ => {}
            }
        }
        Ok(())
    }
}

/// A header for all entries to come. Comments are fine; nobody has a reason to name all files alike.
fn global(contents: &[u8]) -> Result<(), String> {
    for record in Records(contents) {
        let (key, _) = record?;
        if matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.") {
            return Err(format!("a global header sets `{}` for all entries", String::from_utf8_lossy(key)));
        }
    }
    Ok(())
}

/// Two headers may say one name twice, but not two.
fn set(slot: &mut Option<Vec<u8>>, value: Vec<u8>) -> Result<(), String> {
    if value.is_empty() {
        return Err("an extended header names nothing".to_owned());
    }
    match slot.replace(value) {
        Some(before) if Some(&before) != slot.as_ref() => Err("extended headers say two names".to_owned()),
        _ => Ok(()),
    }
}

/// The name ends at a NUL, and nothing but more of them stands behind it.
fn long_name(contents: &[u8]) -> Result<Vec<u8>, String> {
    let end = contents.iter().position(|byte| *byte == 0).unwrap_or(contents.len());
    match contents[end..].iter().all(|byte| *byte == 0) {
        true => Ok(contents[..end].to_vec()),
        false => Err("a long name holds a NUL byte".to_owned()),
    }
}

/// Records `LENGTH KEY=VALUE\n`, where the length is that of the whole record.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let Some((key, value, rest)) = record(self.0) else {
            self.0 = &[];
            return Some(Err("an extended header is not made of records".to_owned()));
        };
        self.0 = rest;
        Some(Ok((key, value)))
    }
}

fn record(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = text.iter().take(20).position(|byte| *byte == b' ')?;
    let length = usize::try_from(number(&text[..blank])?).ok()?;
    let (record, rest) = text.split_at_checked(length)?;
    let body = record.get(blank + 1..)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&body[..equals], &body[equals + 1..]);
    (!key.is_empty() && !matches!(key, b"path" | b"linkpath" if value.contains(&0)))
        .then_some((key, value, rest))
}

fn number(digits: &[u8]) -> Option<u64> {
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_or_refused() {
        type Record = (&'static [u8], &'static [u8]);
        let cases: &[(&[u8], Result<Record, ()>)] = &[
            (b"12 path=abc\n", Ok((b"path", b"abc"))),
            (b"14 path=a=b\nc\n", Ok((b"path", b"a=b\nc"))),
            (b"11 path=abc\n", Err(())),
            (b"13 path=abc\n", Err(())),
            (b"99 path=abc\n", Err(())),
            (b"path=abc\n", Err(())),
            (b"-1 path=abc\n", Err(())),
            (b"18446744073709551616 path=abc\n", Err(())),
            (b"12 path=a\0c\n", Err(())),
            (b"8 =abcd\n", Err(())),
            (b"2 \n", Err(())),
        ];
        for (text, expected) in cases {
            let read = Records(text).next().unwrap();
            assert_eq!(read.map_err(|_| ()), *expected, "{}", String::from_utf8_lossy(text));
        }
    }
}
