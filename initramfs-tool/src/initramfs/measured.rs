//! Disks that the TPM opens only while the machine boots what it booted before.
//!
//! A new initramfs changes what is measured into three registers: 4 (the boot loader, and a kernel image that is started by
//! the firmware), 9 (the kernel's and GRUB's record of the initramfs), and 11 (the parts of a unified kernel image), as the
//! UAPI group's "Linux TPM PCR Registry" has them; and where GRUB's menu gets an entry for the image from before, register 8. A
//! disk whose key is bound to one of them waits for a passphrase in the next boot, for ever where nobody sits before the
//! machine.

use std::fmt::Display;
use std::num::ParseIntError;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

/// A disk whose binding cannot be determined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    /// The disk cannot be read.
    #[error("cannot read it: {cause}")]
    Disk {
        /// The kernel's reason.
        cause: String,
    },
    /// The disk ends, or fails, within its head.
    #[error("cannot read its head: {cause}")]
    Head {
        /// The kernel's reason.
        cause: String,
    },
    /// A LUKS head of an unknown form.
    #[error("its LUKS head is of no known form")]
    UnknownHead,
    /// LUKS1 with clevis installed, which keeps its tokens beside the head.
    #[error("it is LUKS1, and clevis may have bound it (`clevis luks list`)")]
    Luks1,
    /// The head lies on another device or in a file.
    #[error("{file} says that its head lies elsewhere")]
    DetachedHead {
        /// The list of disks.
        file: &'static str,
    },
    /// A program that asks the TPM brings the key.
    #[error("{file} says that its key comes by {script}, which asks the TPM")]
    KeyScript {
        /// The list of disks.
        file: &'static str,
        /// The program.
        script: String,
    },
    /// The text in the head is no JSON of the expected form.
    #[error("the text in its head cannot be read: {cause}")]
    Metadata {
        /// The parser's reason.
        cause: String,
    },
    /// A setting that should list registers.
    #[error("`{setting}` is no list of registers")]
    Registers {
        /// The setting, or its name.
        setting: String,
    },
    /// A token of clevis without its protected part.
    #[error("clevis's token has no head")]
    ClevisHead,
    /// A token of clevis of an unknown form.
    #[error("clevis's token cannot be read")]
    Clevis,
    /// A token of clevis that cannot be decoded.
    #[error("clevis's token cannot be read: {cause}")]
    ClevisEncoding {
        /// The decoder's reason.
        cause: String,
    },
    /// Pins of clevis nested deeper than anybody nests them.
    #[error("clevis's token cannot be read: pins within pins without end")]
    ClevisDepth,
}

/// The registers that another initramfs changes.
const BY_INITRAMFS: &[u64] = &[4, 9, 11];
/// Those, and the one that an entry in GRUB's menu changes: GRUB has every command of its configuration measured there.
const WITH_MENU_BY_GRUB: &[u64] = &[4, 8, 9, 11];

/// The registers that an installation changes, with a menu by GRUB or without.
#[must_use]
pub fn changing(by_grub: bool) -> &'static [u64] {
    match by_grub {
        true => WITH_MENU_BY_GRUB,
        false => BY_INITRAMFS,
    }
}

/// Pins of clevis hold others; nobody nests them deeper.
const DEEPEST: usize = 4;

/// The first bytes of a disk that carries LUKS; the second copy of the header begins otherwise and is not looked for.
const MAGIC: &[u8] = b"LUKS\xba\xbe";

/// Of the head of a disk, as much as says how long the whole of it is: magic, version, size.
pub const HEAD: usize = 16;

/// The binary part, before the text.
const BINARY: usize = 4096;

/// The largest head that LUKS2 has.
const LARGEST: u64 = 4 << 20;

/// The form of a disk, by its first [`HEAD`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// It is not encrypted by LUKS.
    Other,
    /// LUKS of the first version, which has no place for what binds it to a TPM.
    Luks1,
    /// LUKS of the second version, whose head has this size.
    Luks2(usize),
    /// LUKS, in no form that is known.
    Damaged,
}

impl Head {
    /// Reads it.
    #[must_use]
    pub fn of(bytes: &[u8; HEAD]) -> Self {
        if !bytes.starts_with(MAGIC) {
            return Self::Other;
        }
        let [.., v1, v0, s7, s6, s5, s4, s3, s2, s1, s0] = *bytes;
        let size = u64::from_be_bytes([s7, s6, s5, s4, s3, s2, s1, s0]);
        match (u16::from_be_bytes([v1, v0]), usize::try_from(size)) {
            (1, _) => Self::Luks1,
            (2, Ok(bytes)) if bytes > BINARY && size <= LARGEST => Self::Luks2(bytes),
            _ => Self::Damaged,
        }
    }
}

/// The binding of a disk's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Binding {
    /// Nothing that another initramfs would change.
    None,
    /// These registers, as this program enrolled it.
    Registers(&'static str, Vec<u64>),
    /// A policy that `systemd-pcrlock` makes, of what it has seen.
    Pcrlock,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    tokens: std::collections::BTreeMap<String, Value>,
}

/// The binding of the disk with this LUKS2 head, to the registers that are [`changing`].
///
/// # Errors
/// When that cannot be determined.
pub fn binding(head: &[u8], changing: &[u64]) -> Result<Binding, BindingError> {
    let text = head.get(BINARY..).unwrap_or_default();
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    let metadata: Metadata = serde_json::from_slice(text).map_err(|error| BindingError::Metadata {
        cause: error.to_string(),
    })?;
    for token in metadata.tokens.values() {
        let found = match token.get("type").and_then(Value::as_str) {
            Some("systemd-tpm2") => of_systemd(token, changing)?,
            Some("clevis") => of_clevis(token.get("jwe").and_then(|jwe| jwe.get("protected")), changing)?,
            // Others (recovery keys, FIDO2, smart cards) know nothing of what was booted.
            _ => Binding::None,
        };
        if found != Binding::None {
            return Ok(found);
        }
    }
    Ok(Binding::None)
}

/// The binding in `/etc/crypttab` of a disk whose head has no token: `tpm2-pcrs=`.
///
/// # Errors
/// When that cannot be determined.
pub fn of_options(options: &str, changing: &[u64]) -> Result<Binding, BindingError> {
    let mut registers = Vec::new();
    for option in options.split(',') {
        let Some(list) = option.strip_prefix("tpm2-pcrs=") else {
            continue;
        };
        for register in list.split('+').filter(|register| !register.is_empty()) {
            registers.push(register.parse().map_err(|_| BindingError::Registers {
                setting: option.to_owned(),
            })?);
        }
    }
    Ok(bound("/etc/crypttab", registers, changing))
}

fn of_systemd(token: &Value, changing: &[u64]) -> Result<Binding, BindingError> {
    if token.get("tpm2_pcrlock").and_then(Value::as_bool) == Some(true) {
        return Ok(Binding::Pcrlock);
    }
    let mut registers = Vec::new();
    // Those whose values count, and those for whose values a signature counts.
    for name in ["tpm2-pcrs", "tpm2_pubkey_pcrs"] {
        let Some(there) = token.get(name) else { continue };
        let numbers = there
            .as_array()
            .map(|there| there.iter().map(Value::as_u64).collect::<Option<Vec<_>>>());
        registers.extend(numbers.flatten().ok_or_else(|| BindingError::Registers {
            setting: name.to_owned(),
        })?);
    }
    Ok(bound("systemd-cryptenroll", registers, changing))
}

fn bound(by: &'static str, registers: Vec<u64>, changing: &[u64]) -> Binding {
    let registers: Vec<_> = registers
        .into_iter()
        .filter(|register| changing.contains(register))
        .collect();
    match registers.is_empty() {
        true => Binding::None,
        false => Binding::Registers(by, registers),
    }
}

fn of_clevis(protected: Option<&Value>, changing: &[u64]) -> Result<Binding, BindingError> {
    let protected = protected.and_then(Value::as_str).ok_or(BindingError::ClevisHead)?;
    Ok(bound("clevis", clevis_registers(protected, DEEPEST)?, changing))
}

/// The registers of a pin: its own, or those of the pins within it.
fn clevis_registers(protected: &str, depth: usize) -> Result<Vec<u64>, BindingError> {
    let bytes = URL_SAFE_NO_PAD.decode(protected).map_err(undecodable)?;
    let head: Value = serde_json::from_slice(&bytes).map_err(undecodable)?;
    let pin = head.get("clevis").ok_or(BindingError::Clevis)?;
    match pin.get("pin").and_then(Value::as_str) {
        Some("tpm2") => {
            let registers = pin.get("tpm2").and_then(|pin| pin.get("pcr_ids"));
            let Some(registers) = registers else {
                return Ok(Vec::new());
            };
            let text = registers.as_str().map_or_else(|| registers.to_string(), str::to_owned);
            let named = text
                .split(|c: char| !c.is_ascii_digit())
                .filter(|part| !part.is_empty());
            named
                .map(|part| part.parse().map_err(undecodable::<ParseIntError>))
                .collect()
        }
        Some("sss") if depth > 0 => {
            let within = pin
                .get("sss")
                .and_then(|pin| pin.get("jwe"))
                .and_then(Value::as_array)
                .ok_or(BindingError::Clevis)?;
            let mut registers = Vec::new();
            for jwe in within {
                let head = jwe
                    .as_str()
                    .and_then(|jwe| jwe.split('.').next())
                    .ok_or(BindingError::Clevis)?;
                registers.extend(clevis_registers(head, depth - 1)?);
            }
            Ok(registers)
        }
        Some("sss") => Err(BindingError::ClevisDepth),
        // tang asks a server.
        Some(_) => Ok(Vec::new()),
        None => Err(BindingError::Clevis),
    }
}

fn undecodable<E: Display>(error: E) -> BindingError {
    BindingError::ClevisEncoding {
        cause: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Vec<u8> {
        let mut head = vec![7; BINARY];
        head.extend(text.bytes());
        head.resize(16 << 10, 0);
        head
    }

    fn of_token(token: &str) -> Result<Binding, BindingError> {
        let text = format!(r#"{{"keyslots":{{}},"tokens":{{"0":{{"type":"systemd-recovery"}},"1":{token}}}}}"#);
        binding(&head(&text), changing(true))
    }

    fn clevis(head: &str) -> String {
        let head = URL_SAFE_NO_PAD.encode(head);
        format!(r#"{{"type":"clevis","keyslots":["1"],"jwe":{{"ciphertext":"","protected":"{head}"}}}}"#)
    }

    #[test]
    fn a_head_says_its_version_and_size() {
        let head = |version: u8, size: u64| {
            let mut bytes = [0; HEAD];
            bytes[..6].copy_from_slice(MAGIC);
            bytes[7] = version;
            bytes[8..].copy_from_slice(&size.to_be_bytes());
            Head::of(&bytes)
        };
        assert_eq!(head(2, 16384), Head::Luks2(16384));
        assert_eq!(head(1, 0), Head::Luks1);
        assert_eq!([head(2, 4096), head(2, 1 << 40), head(3, 16384)], [Head::Damaged; 3]);
        assert_eq!(Head::of(&[0; HEAD]), Head::Other);
    }

    #[test]
    fn registers_that_another_initramfs_changes_bind() {
        let bound =
            |registers: &str| of_token(&format!(r#"{{"type":"systemd-tpm2","tpm2-pcrs":{registers}}}"#)).unwrap();
        assert_eq!(bound("[7]"), Binding::None);
        assert_eq!(bound("[]"), Binding::None);
        for &register in changing(true) {
            let expected = Binding::Registers("systemd-cryptenroll", vec![register]);
            assert_eq!(bound(&format!("[7,{register}]")), expected);
        }
        let signed = of_token(r#"{"type":"systemd-tpm2","tpm2-pcrs":[7],"tpm2_pubkey_pcrs":[11]}"#);
        assert_eq!(signed.unwrap(), Binding::Registers("systemd-cryptenroll", vec![11]));
        let locked = of_token(r#"{"type":"systemd-tpm2","tpm2-pcrs":[],"tpm2_pcrlock":true}"#);
        assert_eq!(locked.unwrap(), Binding::Pcrlock);
    }

    #[test]
    fn grubs_commands_bind_where_its_menu_gets_an_entry() {
        let text = r#"{"tokens":{"0":{"type":"systemd-tpm2","tpm2-pcrs":[7,8]}}}"#;
        let bound = |by_grub| binding(&head(text), changing(by_grub)).unwrap();
        assert_eq!(bound(false), Binding::None);
        assert_eq!(bound(true), Binding::Registers("systemd-cryptenroll", vec![8]));
    }

    #[test]
    fn crypttab_names_registers_too() {
        let of = |options: &str| of_options(options, changing(false));
        assert_eq!(of("luks,tpm2-device=auto"), Ok(Binding::None));
        assert_eq!(of("tpm2-device=auto,tpm2-pcrs=7"), Ok(Binding::None));
        assert_eq!(of("tpm2-pcrs=0+4+7"), Ok(Binding::Registers("/etc/crypttab", vec![4])));
        assert!(of("tpm2-pcrs=7:sha256").is_err());
    }

    #[test]
    fn pins_of_clevis_bind_and_those_within_pins() {
        let bound = |head: &str| of_token(&clevis(head)).unwrap();
        assert_eq!(bound(r#"{"clevis":{"pin":"tang","tang":{}}}"#), Binding::None);
        assert_eq!(
            bound(r#"{"clevis":{"pin":"tpm2","tpm2":{"hash":"sha256"}}}"#),
            Binding::None
        );
        assert_eq!(
            bound(r#"{"clevis":{"pin":"tpm2","tpm2":{"pcr_ids":"7"}}}"#),
            Binding::None
        );
        let tpm = r#"{"clevis":{"pin":"tpm2","tpm2":{"pcr_ids":"7,9"}}}"#;
        assert_eq!(bound(tpm), Binding::Registers("clevis", vec![9]));
        let within = format!("{}.a.b.c.d", URL_SAFE_NO_PAD.encode(tpm));
        let nested = format!(r#"{{"clevis":{{"pin":"sss","sss":{{"t":1,"jwe":["{within}"]}}}}}}"#);
        assert_eq!(bound(&nested), Binding::Registers("clevis", vec![9]));
    }

    #[test]
    fn what_cannot_be_read_is_not_taken_for_unbound() {
        for token in [
            r#"{"type":"systemd-tpm2","tpm2-pcrs":"9"}"#,
            r#"{"type":"systemd-tpm2","tpm2-pcrs":["9"]}"#,
            r#"{"type":"clevis","jwe":{"protected":"%%"}}"#,
            r#"{"type":"clevis"}"#,
        ] {
            assert!(of_token(token).is_err(), "{token}");
        }
        assert!(of_token(&clevis("{}")).is_err());
        assert!(binding(&head("{"), changing(true)).is_err());
        assert!(binding(&[], changing(true)).is_err());
    }
}
