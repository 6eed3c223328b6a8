//! The serialized form of values: addresses and IDs as text, registers as numbers.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::capability::power_management::PowerManagementControlStatus;
use reseat_core::config::Offset;
use reseat_core::header::{ClassCode, Identity};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Asserts that `json` is the value that `text` parses to, in both directions.
fn is_text<T>(text: &str)
where
    T: core::str::FromStr<Err: core::fmt::Debug> + Serialize + DeserializeOwned + PartialEq + core::fmt::Debug,
{
    let value: T = text.parse().unwrap();
    let json = format!("\"{text}\"");
    assert_eq!(serde_json::to_string(&value).unwrap(), json);
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), value);
}

#[test]
fn addresses_and_ids_are_text() {
    is_text::<FunctionAddress>("10000:65:00.1");
    is_text::<DeviceAddress>("0000:65:1f");
    is_text::<Identity>("10de:2330");
    is_text::<ClassCode>("030200");
}

#[test]
fn invalid_text_is_a_specific_error() {
    let error = serde_json::from_str::<FunctionAddress>("\"0000:65:20.0\"").unwrap_err();
    assert!(error.to_string().starts_with("device 0x20 is above 0x1f"), "{error}");
}

#[test]
fn registers_and_offsets_are_numbers_and_stay_valid() {
    let register = PowerManagementControlStatus::from_bits(0x0108);
    assert_eq!(serde_json::to_string(&register).unwrap(), "264");
    assert!(
        serde_json::from_str::<Offset>("66").is_err(),
        "42 in hexadecimal is no register's offset"
    );
}
