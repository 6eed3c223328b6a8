//! How a GPU is named on the command line.

use std::str::FromStr;

use reseat_core::address::{DeviceAddress, FunctionAddress, ParseAddressError};

/// A GPU by the address of any of its functions, or by their common device number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GpuName(pub(crate) DeviceAddress);

impl FromStr for GpuName {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        match text.parse::<FunctionAddress>() {
            Ok(function) => Ok(Self(function.device_address())),
            Err(error) => text.parse().map(Self).map_err(|_| error),
        }
    }
}
