//! Arbitrary functions: who is above whom, which resets there are, and who is hit, held against a
//! plain oracle.
//!
//! The first byte says which functions are somebody else's; each 12 bytes after it are a function.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../core/tests/topology/arbitrary.rs"]
mod arbitrary;
#[path = "../../core/tests/topology/oracle.rs"]
mod oracle;

/// Functions in a set: the oracle takes quadratic time.
const FUNCTIONS: usize = 64;

fuzz_target!(|input: &[u8]| {
    let [stranger, bytes @ ..] = input else {
        return;
    };
    let bytes = &bytes[..bytes.len().min(FUNCTIONS * arbitrary::RECORD)];
    let functions = arbitrary::functions(bytes);
    oracle::check(&functions, |function| function.address.function() != stranger % 8);
});
