//! Properties of arbitrary functions.

use proptest::prelude::*;

use crate::arbitrary::{RECORD, functions};
use crate::oracle;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn arbitrary_functions_are_judged_as_the_oracle_does(
        bytes in prop::collection::vec(any::<u8>(), 0..40 * RECORD),
        stranger: u8,
    ) {
        let functions = functions(&bytes);
        oracle::check(&functions, |_| true);
        oracle::check(&functions, |function| function.address.function() != stranger % 8);
    }
}
