//! Types of columns as the binary log has them: how long a value is, and what a value of a key is in SQL.
//!
//! A value of a key becomes a literal that means the same on every session of ours: texts by their bytes and with their
//! character set, times in UTC, ENUM and SET by their numbers.

use super::bytes::{Bytes, Wrong};

/// A column as a table map describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Column {
    /// `MYSQL_TYPE_*`, where ENUM and SET stand for themselves.
    pub(super) code: u8,
    /// What the type says of itself: lengths, digits.
    details: (u8, u8),
}

const TINY: u8 = 1;
const SHORT: u8 = 2;
const LONG: u8 = 3;
const FLOAT: u8 = 4;
const DOUBLE: u8 = 5;
const TIMESTAMP: u8 = 7;
const LONGLONG: u8 = 8;
const INT24: u8 = 9;
const DATE: u8 = 10;
const TIME: u8 = 11;
const DATETIME: u8 = 12;
const YEAR: u8 = 13;
const NEWDATE: u8 = 14;
const VARCHAR: u8 = 15;
const BIT: u8 = 16;
const TIMESTAMP2: u8 = 17;
const DATETIME2: u8 = 18;
const TIME2: u8 = 19;
/// MariaDB's `COMPRESSED` columns.
const BLOB_COMPRESSED: u8 = 140;
const VARCHAR_COMPRESSED: u8 = 141;
const VECTOR: u8 = 242;
/// The hidden column of an index over the elements of a JSON array.
const TYPED_ARRAY: u8 = 244;
const JSON: u8 = 245;
const NEWDECIMAL: u8 = 246;
const ENUM: u8 = 247;
const SET: u8 = 248;
const TINY_BLOB: u8 = 249;
const BLOB: u8 = 252;
const VAR_STRING: u8 = 253;
const STRING: u8 = 254;
const GEOMETRY: u8 = 255;

impl Column {
    /// Reads what the table map says of a column of this type.
    pub(super) fn read(code: u8, details: &mut Bytes<'_>) -> Result<Self, Wrong> {
        let length = match code {
            FLOAT | DOUBLE | TIMESTAMP2 | DATETIME2 | TIME2 | VECTOR | JSON | BLOB_COMPRESSED => 1,
            TINY_BLOB..=BLOB | GEOMETRY => 1,
            VARCHAR | BIT | NEWDECIMAL | ENUM | SET | VAR_STRING | STRING | VARCHAR_COMPRESSED => 2,
            TINY | SHORT | LONG | LONGLONG | INT24 | TIMESTAMP | DATE | TIME | DATETIME | YEAR | NEWDATE => 0,
            TYPED_ARRAY => {
                // Of its elements, which a key cannot be made of.
                let element = details.number(1)?;
                let more = match element {
                    15 | 253 | 254 => 3,
                    246 => 2,
                    17..=19 => 1,
                    _ => 0,
                };
                details.take(more)?;
                0
            }
            _ => return Err(format!("a column has the type {code}, which is not known")),
        };
        let told = details.take(length)?;
        let at = |place| told.get(place).copied().unwrap_or(0);
        let details = (at(0), at(1));
        // A STRING of which the first byte says that it is another type.
        let code = if code == STRING && matches!(details.0, ENUM | SET) { details.0 } else { code };
        Ok(Self { code, details })
    }

    pub(super) fn is_json(self) -> bool {
        self.code == JSON
    }

    /// The bytes of the next value, without its length.
    pub(super) fn take<'a>(self, bytes: &mut Bytes<'a>) -> Result<&'a [u8], Wrong> {
        let (first, second) = (usize::from(self.details.0), usize::from(self.details.1));
        let of_length = |bytes: &mut Bytes<'a>, width: usize| {
            let length = usize::try_from(bytes.number(width)?).map_err(|e| e.to_string())?;
            bytes.take(length)
        };
        let length = match self.code {
            TINY | YEAR => 1,
            SHORT => 2,
            INT24 | DATE | NEWDATE | TIME => 3,
            LONG | FLOAT | TIMESTAMP => 4,
            LONGLONG | DOUBLE | DATETIME => 8,
            TIMESTAMP2 => 4 + first.div_ceil(2),
            DATETIME2 => 5 + first.div_ceil(2),
            TIME2 => 3 + first.div_ceil(2),
            NEWDECIMAL => {
                let whole = first.checked_sub(second).ok_or("a DECIMAL has more places than digits")?;
                digits(whole) + digits(second)
            }
            BIT => second + usize::from(first > 0),
            ENUM | SET => second,
            STRING => {
                // Two bits of the length hide in the first byte, turned over.
                let most = second | (((first & 0x30) ^ 0x30) << 4);
                return of_length(bytes, if most > 255 { 2 } else { 1 });
            }
            VARCHAR | VAR_STRING | VARCHAR_COMPRESSED => {
                let most = first | (second << 8);
                return of_length(bytes, if most > 255 { 2 } else { 1 });
            }
            TYPED_ARRAY => return of_length(bytes, 4),
            // Blobs of all kinds.
            _ => return of_length(bytes, first),
        };
        bytes.take(length)
    }
}

/// What a column of a key is, as the catalog says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whole numbers.
    Whole {
        /// Without negative ones.
        unsigned: bool,
    },
    Decimal,
    Year,
    Date,
    Time,
    DateTime,
    Timestamp,
    /// ENUM, by number.
    Enum,
    Set,
    Bit,
    /// CHAR and VARCHAR, by character set.
    Text(String),
    /// BINARY, which is so many bytes long: the log leaves out zeros at its end.
    Binary(usize),
    VarBinary,
}

impl Kind {
    /// What `DATA_TYPE` and its kin in `information_schema.COLUMNS` say; `None`: not for a key.
    pub(crate) fn of(
        data_type: &str,
        column_type: &str,
        charset: Option<&str>,
        octets: usize,
    ) -> Option<Self> {
        Some(match data_type {
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" => {
                Kind::Whole { unsigned: column_type.contains("unsigned") }
            }
            "decimal" => Kind::Decimal,
            "year" => Kind::Year,
            "date" => Kind::Date,
            "time" => Kind::Time,
            "datetime" => Kind::DateTime,
            "timestamp" => Kind::Timestamp,
            "enum" => Kind::Enum,
            "set" => Kind::Set,
            "bit" => Kind::Bit,
            "char" | "varchar" => Kind::Text(charset?.to_owned()),
            "binary" => Kind::Binary(octets),
            "varbinary" => Kind::VarBinary,
            _ => return None,
        })
    }

    /// Whether a column of the log can hold it.
    pub(super) fn fits(&self, column: Column) -> bool {
        let codes: &[u8] = match self {
            Kind::Whole { .. } => &[TINY, SHORT, INT24, LONG, LONGLONG],
            Kind::Decimal => &[NEWDECIMAL],
            Kind::Year => &[YEAR],
            Kind::Date => &[DATE, NEWDATE],
            Kind::Time => &[TIME2],
            Kind::DateTime => &[DATETIME2],
            Kind::Timestamp => &[TIMESTAMP2],
            Kind::Enum => &[ENUM],
            Kind::Set => &[SET],
            Kind::Bit => &[BIT],
            Kind::Text(_) | Kind::VarBinary | Kind::Binary(_) => &[STRING, VARCHAR, VAR_STRING],
        };
        codes.contains(&column.code)
    }

    /// The expression whose value is the literal of this one's, as [`Kind::literal`] would have it. The session's time zone
    /// must be UTC.
    pub(in super::super) fn told(&self, value: &str) -> String {
        match self {
            Kind::Whole { .. } | Kind::Decimal => format!("CONCAT({value})"),
            Kind::Enum | Kind::Set | Kind::Bit => format!("CONCAT({value} + 0)"),
            Kind::Year | Kind::Date | Kind::Time | Kind::DateTime | Kind::Timestamp => {
                format!("CONCAT('''', {value}, '''')")
            }
            Kind::Text(charset) => format!("CONCAT('_{charset} x''', LOWER(HEX({value})), '''')"),
            Kind::VarBinary | Kind::Binary(_) => format!("CONCAT('x''', LOWER(HEX({value})), '''')"),
        }
    }

    /// A value as a literal. The session's time zone must be UTC.
    pub(super) fn literal(&self, column: Column, bytes: &[u8]) -> Result<String, Wrong> {
        Ok(match self {
            Kind::Whole { unsigned: true } | Kind::Enum | Kind::Set => low_first(bytes).to_string(),
            Kind::Whole { unsigned: false } => signed(bytes).to_string(),
            Kind::Bit => high_first(bytes).to_string(),
            Kind::Year => match low_first(bytes) {
                0 => "'0000'".into(),
                since => format!("'{}'", 1900 + since),
            },
            Kind::Decimal => decimal(bytes, column.details)?,
            Kind::Date => {
                let n = low_first(bytes);
                format!("'{:04}-{:02}-{:02}'", n >> 9, (n >> 5) & 15, n & 31)
            }
            Kind::Time => time(bytes, column.details.0)?,
            Kind::DateTime => datetime(bytes, column.details.0)?,
            Kind::Timestamp => timestamp(bytes, column.details.0)?,
            Kind::Text(charset) => format!("_{charset} x'{}'", hex(bytes)),
            Kind::VarBinary => format!("x'{}'", hex(bytes)),
            Kind::Binary(length) => {
                let missing = length.checked_sub(bytes.len()).ok_or("a BINARY is longer than its column")?;
                format!("x'{}{}'", hex(bytes), "00".repeat(missing))
            }
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into memory cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A number with its lowest byte first; at most 8 bytes.
pub(super) fn low_first(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, byte| (n << 8) | u64::from(*byte))
}

fn high_first(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, byte| (n << 8) | u64::from(*byte))
}

fn signed(bytes: &[u8]) -> i64 {
    let shift = 64 - 8 * bytes.len().clamp(1, 8);
    (low_first(bytes) << shift).cast_signed() >> shift
}

/// How many bytes hold so many decimal digits: nine in four, and fewer in fewer.
fn digits(count: usize) -> usize {
    count / 9 * 4 + (count % 9).div_ceil(2)
}

/// Digits in groups of nine, the highest bit of all turned over, and every bit where it is negative.
fn decimal(bytes: &[u8], (precision, scale): (u8, u8)) -> Result<String, Wrong> {
    let (scale, precision) = (usize::from(scale), usize::from(precision));
    let whole = precision.checked_sub(scale).ok_or("a DECIMAL has more places than digits")?;
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 == 0);
    let mut plain: Vec<u8> = bytes.iter().map(|byte| if negative { !byte } else { *byte }).collect();
    if let Some(first) = plain.first_mut() {
        *first ^= 0x80;
    }
    let mut rest = Bytes(&plain);
    let mut group = |count: usize| -> Result<String, Wrong> {
        let number = high_first(rest.take(digits(count))?);
        Ok(if count == 0 { String::new() } else { format!("{number:0count$}") })
    };
    let mut text = String::from(if negative { "-" } else { "" });
    text += &group(whole % 9)?;
    for _ in 0..whole / 9 {
        text += &group(9)?;
    }
    if whole == 0 {
        text.push('0');
    }
    if scale > 0 {
        text.push('.');
    }
    for _ in 0..scale / 9 {
        text += &group(9)?;
    }
    text += &group(scale % 9)?;
    Ok(text)
}

/// Microseconds of the bytes behind the seconds, as they stand in a text: ".5", or nothing.
fn fraction(bytes: &[u8], places: u8) -> String {
    if places == 0 {
        return String::new();
    }
    let micros = high_first(bytes) * [1_000_000, 10_000, 100, 1][bytes.len().min(3)];
    let mut text = format!(".{micros:06}");
    text.truncate(1 + usize::from(places.min(6)));
    text
}

fn datetime(bytes: &[u8], places: u8) -> Result<String, Wrong> {
    let (seconds, behind) = bytes.split_at_checked(5).ok_or("a DATETIME is too short")?;
    let n = high_first(seconds).checked_sub(0x80_0000_0000).ok_or("a DATETIME is negative")?;
    let months = n >> 22;
    Ok(format!(
        "'{:04}-{:02}-{:02} {:02}:{:02}:{:02}{}'",
        months / 13,
        months % 13,
        (n >> 17) & 31,
        (n >> 12) & 31,
        (n >> 6) & 63,
        n & 63,
        fraction(behind, places)
    ))
}

fn time(bytes: &[u8], places: u8) -> Result<String, Wrong> {
    let behind = bytes.len().checked_sub(3).ok_or("a TIME is too short")?;
    // One number over all bytes, so that a negative one is its own complement.
    let zero = 0x80_0000_i64 << (8 * behind);
    let n = high_first(bytes).cast_signed() - zero;
    let (sign, n) = if n < 0 { ("-", n.unsigned_abs()) } else { ("", n.unsigned_abs()) };
    let all = n.to_be_bytes();
    let whole = n >> (8 * behind);
    Ok(format!(
        "'{sign}{:02}:{:02}:{:02}{}'",
        (whole >> 12) & 0x3ff,
        (whole >> 6) & 63,
        whole & 63,
        fraction(&all[all.len() - behind.min(3)..], places)
    ))
}

fn timestamp(bytes: &[u8], places: u8) -> Result<String, Wrong> {
    let (seconds, behind) = bytes.split_at_checked(4).ok_or("a TIMESTAMP is too short")?;
    let seconds = high_first(seconds);
    let micros = fraction(behind, places);
    // The epoch itself is not a TIMESTAMP: it stands for the zero date.
    if seconds == 0 {
        return Ok(format!("'0000-00-00 00:00:00{micros}'"));
    }
    let at = jiff::Timestamp::from_second(seconds.cast_signed()).map_err(|e| e.to_string())?;
    Ok(format!("'{}{micros}'", at.strftime("%Y-%m-%d %H:%M:%S")))
}
