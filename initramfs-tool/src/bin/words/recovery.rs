//! Recovery, quarantine and return to service.

use super::{Sentence, Steps};

pub(super) const SENTENCES: &[Sentence] = &[];

pub(super) const STEPS: &[Steps] = &[];
