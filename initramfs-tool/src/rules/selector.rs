//! How a rule names GPUs.

use std::fmt;
use std::str::FromStr;

use reseat_core::address::{FunctionAddress, ParseAddressError};
use reseat_core::header::{Identity, ParseIdentityError};

/// The functions that a rule means. Any function of a GPU stands for the whole GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// The GPU that has a function at this address: `0000:65:00.0`.
    Address(FunctionAddress),
    /// The same, if that function has this identity: `0000:65:00.0@10de:2231`. Addresses move when a card is added;
    /// the guard turns a move into a refusal.
    Guarded {
        /// Where the function is expected.
        address: FunctionAddress,
        /// What it must be.
        identity: Identity,
    },
    /// Every GPU that has a function with this identity: `10de:2231`.
    Identity(Identity),
    /// Every GPU: `gpu`.
    Gpu,
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(SelectorError::Empty);
        }
        if text == "gpu" {
            return Ok(Self::Gpu);
        }
        if let Some((address, identity)) = text.split_once('@') {
            return Ok(Self::Guarded {
                address: address.parse()?,
                identity: identity.parse()?,
            });
        }
        // Only an address has a dot, only an identity is two numbers around one colon.
        if text.contains('.') {
            return Ok(Self::Address(text.parse()?));
        }
        if text.matches(':').count() == 1 {
            return Ok(Self::Identity(text.parse()?));
        }
        Err(SelectorError::Unknown)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(formatter),
            Self::Guarded { address, identity } => write!(formatter, "{address}@{identity}"),
            Self::Identity(identity) => identity.fmt(formatter),
            Self::Gpu => formatter.write_str("gpu"),
        }
    }
}

/// Why a selector means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// There is no text.
    #[error("the selector is empty")]
    Empty,
    /// It looks like an address and is none.
    #[error("not an address such as 0000:65:00.0: {0}")]
    Address(#[from] ParseAddressError),
    /// It looks like an identity and is none.
    #[error("not an identity such as 10de:2231: {0}")]
    Identity(#[from] ParseIdentityError),
    /// It looks like nothing that is known.
    #[error(
        "not a selector: expected an address (0000:65:00.0), an address with its identity (0000:65:00.0@10de:2231), \
         an identity (10de:2231) or `gpu`"
    )]
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_and_prints_back() {
        for text in [
            "0000:65:00.0",
            "10000:01:00.1",
            "0000:65:00.0@10de:2231",
            "10de:2231",
            "gpu",
        ] {
            let selector: Selector = text.parse().unwrap();
            assert_eq!(selector.to_string(), text);
        }
    }

    #[test]
    fn an_address_without_a_segment_is_on_segment_zero() {
        assert_eq!("65:00.0".parse::<Selector>(), "0000:65:00.0".parse());
    }

    #[test]
    fn nonsense_says_what_was_expected() {
        assert_eq!("".parse::<Selector>(), Err(SelectorError::Empty));
        assert_eq!("every".parse::<Selector>(), Err(SelectorError::Unknown));
        assert_eq!("GPU".parse::<Selector>(), Err(SelectorError::Unknown));
        assert!(matches!("65:00.9".parse::<Selector>(), Err(SelectorError::Address(_))));
        assert!(matches!(
            "10de:xyz".parse::<Selector>(),
            Err(SelectorError::Identity(_))
        ));
        assert!(matches!(
            "65:00.0@10de".parse::<Selector>(),
            Err(SelectorError::Identity(_))
        ));
        assert!(matches!(
            "65@10de:2231".parse::<Selector>(),
            Err(SelectorError::Address(_))
        ));
    }
}
