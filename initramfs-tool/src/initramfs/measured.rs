//! Disks that the TPM opens only if the machine boots the same software as before.
//!
//! A new initramfs changes three registers, as listed in the UAPI group's "Linux TPM PCR Registry". Register 4 measures
//! the boot loader, and a kernel image that the firmware starts. Register 9 has the kernel's and GRUB's record of the
//! initramfs, and register 11 the parts of a unified kernel image. If GRUB's menu gets an entry for the previous image,
//! register 8 changes too. A disk whose key is bound to one of them waits for a passphrase in the next boot, forever on
//! an unattended machine.

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
        /// The kernel's error.
        cause: String,
    },
    /// The disk ends, or fails, within its header.
    #[error("cannot read its head: {cause}")]
    Head {
        /// The kernel's error.
        cause: String,
    },
    /// The LUKS header has an unknown format.
    #[error("its LUKS head is of no known form")]
    UnknownHead,
    /// The disk is LUKS1 and clevis is installed, which keeps its tokens beside the header.
    #[error("it is LUKS1, and clevis may have bound it (`clevis luks list`)")]
    Luks1,
    /// The header is on another device or in a file.
    #[error("{file} says that its head lies elsewhere")]
    DetachedHead {
        /// The list of disks.
        file: &'static str,
    },
    /// A program that uses the TPM provides the key.
    #[error("{file} says that its key comes by {script}, which asks the TPM")]
    KeyScript {
        /// The list of disks.
        file: &'static str,
        /// The program.
        script: String,
    },
    /// The text in the header is not JSON of the expected form.
    #[error("the text in its head cannot be read: {cause}")]
    Metadata {
        /// The parser's error.
        cause: String,
    },
    /// A setting that should list registers does not.
    #[error("`{setting}` is no list of registers")]
    Registers {
        /// The setting, or its name.
        setting: String,
    },
    /// A clevis token lacks its protected part.
    #[error("clevis's token has no head")]
    ClevisHead,
    /// A clevis token has an unknown form.
    #[error("clevis's token cannot be read")]
    Clevis,
    /// A clevis token cannot be decoded.
    #[error("clevis's token cannot be read: {cause}")]
    ClevisEncoding {
        /// The decoder's error.
        cause: String,
    },
    /// The clevis pins are nested too deeply.
    #[error("clevis's token cannot be read: pins within pins without end")]
    ClevisDepth,
}

/// The registers that another initramfs changes.
const BY_INITRAMFS: &[u64] = &[4, 9, 11];
/// The same registers, and the one that an entry in GRUB's menu changes: GRUB measures every command of its
/// configuration there.
const WITH_MENU_BY_GRUB: &[u64] = &[4, 8, 9, 11];

/// The registers that an installation changes, with or without a menu by GRUB.
#[must_use]
pub fn changing(by_grub: bool) -> &'static [u64] {
    match by_grub {
        true => WITH_MENU_BY_GRUB,
        false => BY_INITRAMFS,
    }
}

/// The maximum nesting of clevis pins; nobody nests them deeper.
const DEEPEST: usize = 4;

/// The first bytes of a LUKS disk. The second copy of the header begins with other bytes and is ignored.
const MAGIC: &[u8] = b"LUKS\xba\xbe";

/// The length of the start of a header that gives its full length: magic, version, size.
pub const HEAD: usize = 16;

/// The length of the binary part, before the text.
const BINARY: usize = 4096;

/// The largest header in LUKS2.
const LARGEST: u64 = 4 << 20;

/// The format of a disk, by its first [`HEAD`] bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// Not encrypted by LUKS.
    Other,
    /// LUKS version 1, which cannot store a TPM binding.
    Luks1,
    /// LUKS version 2, with a header of this size.
    Luks2(usize),
    /// LUKS in an unknown format.
    Damaged,
}

impl Head {
    /// Parses the start of a header.
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
    /// Not bound to anything that another initramfs changes.
    None,
    /// Bound to these registers, by this program.
    Registers(&'static str, Vec<u64>),
    /// Bound to a policy of `systemd-pcrlock`.
    Pcrlock,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    tokens: std::collections::BTreeMap<String, Value>,
}

/// Returns the binding of the disk with this LUKS2 header to the registers that are [`changing`].
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
            // Others (recovery keys, FIDO2, smart cards) do not depend on the booted software.
            _ => Binding::None,
        };
        if found != Binding::None {
            return Ok(found);
        }
    }
    Ok(Binding::None)
}

/// Returns the binding in `/etc/crypttab` of a disk whose header has no token: `tpm2-pcrs=`.
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
    // Registers bound by value, and registers bound by signature.
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

/// Returns the registers of a pin: its own, or those of nested pins.
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
        // tang uses a server.
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
