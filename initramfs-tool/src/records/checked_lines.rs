//! JSON lines that carry a checksum each, so that a torn or damaged one is known for what it is.
//!
//! ```json
//! {"crc32":"cbf43926","record":123456789}
//! ```
//!
//! The checksum is over the record's text as it stands. What has no good checksum is no record, and is handed back as
//! it was found: nothing is dropped in silence.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    crc32: String,
    #[serde(borrow)]
    record: &'a RawValue,
}

/// The records of lines that carry a checksum each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedLines<T> {
    /// The records, in order.
    pub records: Vec<T>,
    /// The lines that are none.
    pub damaged: Vec<DamagedLine>,
}

/// A line that is no record: torn by a crash, changed afterwards, or of a form that this version does not know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DamagedLine {
    /// Its number, counted from 1.
    pub line: usize,
    /// The defect.
    #[serde(serialize_with = "as_text")]
    pub cause: LineError,
    /// The line as it was found, with a mark in the place of what is no text.
    pub text: String,
}

/// The defect of a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It is no line of this form.
    #[error("torn or damaged: {cause}")]
    Torn {
        /// The parser's reason.
        cause: String,
    },
    /// Its checksum is that of another record.
    #[error("damaged: its checksum is {found}, and it says {stated}")]
    Checksum {
        /// The checksum of the record.
        found: String,
        /// The checksum in the line.
        stated: String,
    },
    /// The record is whole, and of a form that this version does not know.
    #[error("whole, and of another form: {cause}")]
    Form {
        /// The parser's reason.
        cause: String,
    },
}

fn as_text<S: Serializer>(cause: &LineError, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(cause)
}

/// A record as a line, the line feed at its end included.
///
/// # Errors
/// When the record cannot be said in JSON.
pub fn encode(record: &impl Serialize) -> serde_json::Result<String> {
    let record = serde_json::value::to_raw_value(record)?;
    let mut line = serde_json::to_string(&Line {
        crc32: checksum(&record),
        record: &record,
    })?;
    line.push('\n');
    Ok(line)
}

/// The records in `bytes`. A last line without a line feed counts if it is whole; lines with nothing in them are passed
/// over.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> CheckedLines<T> {
    let mut content = CheckedLines {
        records: Vec::new(),
        damaged: Vec::new(),
    };
    for (before, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        match record(line) {
            Ok(record) => content.records.push(record),
            Err(cause) => content.damaged.push(DamagedLine {
                line: before + 1,
                cause,
                text: String::from_utf8_lossy(line).into_owned(),
            }),
        }
    }
    content
}

fn record<T: DeserializeOwned>(line: &[u8]) -> Result<T, LineError> {
    let line: Line<'_> = serde_json::from_slice(line).map_err(|error| LineError::Torn {
        cause: error.to_string(),
    })?;
    let found = checksum(line.record);
    if found != line.crc32 {
        let stated = line.crc32;
        return Err(LineError::Checksum { found, stated });
    }
    serde_json::from_str(line.record.get()).map_err(|error| LineError::Form {
        cause: error.to_string(),
    })
}

fn checksum(record: &RawValue) -> String {
    format!("{:08x}", crc32fast::hash(record.get().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> [String; 3] {
        ["one", "two", "three"].map(|text| encode(&text).unwrap())
    }

    #[test]
    fn the_form_of_a_line_is_frozen() {
        // The check value of CRC-32/ISO-HDLC, which is over the bytes "123456789".
        assert_eq!(
            encode(&123_456_789).unwrap(),
            "{\"crc32\":\"cbf43926\",\"record\":123456789}\n"
        );
    }

    #[test]
    fn a_line_torn_at_any_byte_is_handed_back_and_the_others_count() {
        let [one, two, three] = three();
        let whole = format!("{one}{two}{three}");
        let begin = one.len() + two.len();
        for end in begin + 1..whole.len() - 1 {
            let content = decode::<String>(&whole.as_bytes()[..end]);
            assert_eq!(content.records, ["one", "two"], "{end}");
            assert_eq!(content.damaged.len(), 1, "{end}");
            assert_eq!(content.damaged[0].line, 3);
            assert_eq!(content.damaged[0].text, whole[begin..end]);
        }
        for (end, records) in [(begin, 2), (whole.len() - 1, 3), (whole.len(), 3)] {
            let content = decode::<String>(&whole.as_bytes()[..end]);
            assert_eq!((content.records.len(), content.damaged), (records, Vec::new()), "{end}");
        }
    }

    #[test]
    fn any_changed_bit_of_a_middle_line_is_noticed_and_the_others_count() {
        let [one, two, three] = three();
        let whole = format!("{one}{two}{three}").into_bytes();
        for bit in 0..(two.len() - 1) * 8 {
            let mut bytes = whole.clone();
            bytes[one.len() + bit / 8] ^= 1 << (bit % 8);
            let content = decode::<String>(&bytes);
            assert_eq!(content.records, ["one", "three"], "bit {bit}");
            assert!(!content.damaged.is_empty(), "bit {bit}");
        }
    }

    #[test]
    fn zeroes_that_a_crash_left_are_no_record() {
        let [one, _, three] = three();
        let content = decode::<String>(format!("{one}\0\0\0\0\n{three}").as_bytes());
        assert_eq!(content.records, ["one", "three"]);
        assert_eq!(content.damaged[0].line, 2);
    }

    #[test]
    fn a_whole_record_of_another_form_is_told_apart() {
        let line = encode(&"no number").unwrap();
        let content = decode::<u32>(line.as_bytes());
        assert!(
            matches!(content.damaged[0].cause, LineError::Form { .. }),
            "{content:?}"
        );
    }
}
