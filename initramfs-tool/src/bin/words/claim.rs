//! The claim.

use super::{Sentence, Steps};

pub(super) const SENTENCES: &[Sentence] = &[];

pub(super) const STEPS: &[Steps] = &[];
