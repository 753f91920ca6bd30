//! A part: packed by zstd, then encrypted by age; and the way back.

use std::fmt;
use std::io::{Read, Write};
use std::str::FromStr;

#[cfg(test)]
use age::secrecy::ExposeSecret;
use age::x25519::{Identity, Recipient};
use cofferdam_core::fault::Result;
use cofferdam_core::{Code, Fault, Refusal};

/// zstd's own default: faster than a disk, and good for rows.
const LEVEL: i32 = 3;

/// Whom parts are encrypted to; nobody: they are not encrypted.
#[derive(Clone, Default)]
pub struct Recipients {
    named: Vec<Recipient>,
    own: Option<Recipient>,
}

impl Recipients {
    /// These public keys (`age1...`).
    ///
    /// # Errors
    /// `Usage` for a text that is none.
    pub fn of(keys: &[String]) -> Result<Self> {
        let named = keys.iter().map(|key| {
            Recipient::from_str(key.trim()).map_err(|why| {
                let refusal = Refusal::new(Code::Usage, format!("{key:?} is no public key of age"));
                Fault::from(
                    refusal.cause(why).help("age-keygen makes a pair; the public key begins with age1"),
                )
            })
        });
        Ok(Self { named: named.collect::<Result<_>>()?, own: None })
    }

    /// The same, and somebody who is forgotten with the value that is returned: whoever writes can read what was
    /// written, to verify it, and nobody after.
    pub fn and_oneself(mut self) -> (Self, Keys) {
        if self.named.is_empty() {
            return (self, Keys::default());
        }
        let identity = Identity::generate();
        self.own = Some(identity.to_public());
        (self, Keys(vec![identity]))
    }

    /// Their texts.
    pub fn texts(&self) -> Vec<String> {
        self.named.iter().map(Recipient::to_string).collect()
    }

    /// Parts are encrypted.
    pub fn encrypt(&self) -> bool {
        !self.named.is_empty()
    }

    /// A part of these bytes.
    pub(super) fn seal(&self, rows: &[u8]) -> std::io::Result<Vec<u8>> {
        let packed = zstd::bulk::compress(rows, LEVEL)?;
        if !self.encrypt() {
            return Ok(packed);
        }
        let all = self.named.iter().chain(&self.own).map(|one| one as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(all).map_err(std::io::Error::other)?;
        let mut out = Vec::with_capacity(packed.len() + 1024);
        let mut writer = encryptor.wrap_output(&mut out)?;
        writer.write_all(&packed)?;
        writer.finish()?;
        Ok(out)
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.texts()).finish()
    }
}

/// The identities that open parts.
#[derive(Clone, Default)]
pub struct Keys(Vec<Identity>);

impl Keys {
    /// Those of a file as `age-keygen` writes it: a line each, comments left out.
    ///
    /// # Errors
    /// `BackupLocked` for a text without one.
    pub fn of(text: &str) -> Result<Self> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let found: Vec<Identity> = lines.filter_map(|line| Identity::from_str(line).ok()).collect();
        match found.is_empty() {
            // The text is a secret, whatever it is.
            true => Err(Refusal::new(Code::BackupLocked, "the file holds no identity of age")
                .cause("no line of it begins with AGE-SECRET-KEY-1")
                .help("age-keygen -o FILE makes one; --identity FILE")
                .into()),
            false => Ok(Self(found)),
        }
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is in a part that holds so many bytes. More than that is never unpacked.
    pub(super) fn unseal(&self, part: &[u8], encrypted: bool, holds: u64) -> Result<Vec<u8>, Unsealed> {
        let mut packed;
        let part = match encrypted {
            false => part,
            true => {
                let decryptor =
                    age::Decryptor::new_buffered(part).map_err(|e| Unsealed::Damaged(e.to_string()))?;
                let keys = self.0.iter().map(|one| one as &dyn age::Identity);
                let mut reader = decryptor.decrypt(keys).map_err(|e| match e {
                    age::DecryptError::NoMatchingKeys => Unsealed::Locked,
                    other => Unsealed::Damaged(other.to_string()),
                })?;
                packed = Vec::with_capacity(part.len());
                reader.read_to_end(&mut packed).map_err(|e| Unsealed::Damaged(e.to_string()))?;
                &packed[..]
            }
        };
        let damaged = |e: std::io::Error| Unsealed::Damaged(e.to_string());
        let mut reader = zstd::stream::read::Decoder::with_buffer(part).map_err(damaged)?.take(holds + 1);
        let mut out = Vec::new();
        reader.read_to_end(&mut out).map_err(damaged)?;
        match u64::try_from(out.len()) == Ok(holds) {
            true => Ok(out),
            false => {
                Err(Unsealed::Damaged(format!("it does not hold the {holds} bytes that the manifest says")))
            }
        }
    }

    /// The texts of the identities, for a test that reads by hand.
    #[cfg(test)]
    pub(super) fn texts(&self) -> Vec<String> {
        self.0.iter().map(|one| one.to_string().expose_secret().to_owned()).collect()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} identities", self.0.len())
    }
}

/// Why a part cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unsealed {
    /// No identity opens it.
    Locked,
    /// It is not what was written.
    Damaged(String),
}

impl Unsealed {
    pub(super) fn fault(self, location: &str, object: &str) -> Fault {
        match self {
            Self::Locked => Refusal::new(Code::BackupLocked, format!("{location} is encrypted"))
                .cause("none of the identities that were given opens it")
                .help("--identity FILE, with the identity of a key in its manifest (encryptedTo)")
                .into(),
            Self::Damaged(why) => super::read::damaged(location, object, &why).into(),
        }
    }
}
