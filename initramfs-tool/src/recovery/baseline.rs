//! What a GPU was like while it was well.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::header::{ClassCode, Identity};
use reseat_core::health::{Aspects, Observation, judge};
use serde::{Deserialize, Serialize};

use super::Member;

/// The form of a baseline; another form has another name.
pub const SCHEMA: &str = "reseat.baseline/1";

/// A GPU while it was well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// [`SCHEMA`].
    pub schema: String,
    /// The device number that its functions share.
    pub device: DeviceAddress,
    /// When it was recorded, in UTC.
    pub recorded: String,
    /// Its functions.
    pub functions: Vec<FunctionBaseline>,
}

/// One function of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionBaseline {
    /// Where it is.
    pub address: FunctionAddress,
    /// Vendor and device ID.
    pub identity: Identity,
    /// Class.
    pub class: ClassCode,
    /// All that was read.
    pub observation: Observation,
}

impl Baseline {
    /// The function at `member`'s place, if it is the same one. A baseline of another card says nothing of this one.
    pub fn of(&self, member: &Member) -> Option<&FunctionBaseline> {
        let mut functions = self.functions.iter();
        functions.find(|known| known.address == member.address && known.identity == member.identity)
    }

    /// Its functions, as they have to be there.
    pub fn members(&self) -> Vec<Member> {
        let members = self.functions.iter().map(|function| Member {
            address: function.address,
            identity: function.identity,
            class: function.class,
        });
        members.collect()
    }

    /// What is wrong with it as a baseline, in words: a GPU that is not well now is none to hold it against later.
    /// What is merely not known is told by [`unknown`](Self::unknown).
    pub fn faults(&self) -> Vec<String> {
        let faults = self.functions.iter().flat_map(|function| {
            let observation = &function.observation;
            let examination = judge(observation, &observation.errors, observation);
            let words = examination
                .findings
                .iter()
                .map(|finding| format!("{}: {finding}", function.address));
            words.collect::<Vec<_>>()
        });
        faults.collect()
    }

    /// What nothing can be verified of with this baseline, by function.
    pub fn unknown(&self) -> Vec<(FunctionAddress, Aspects)> {
        let unknown = self.functions.iter().map(|function| {
            let observation = &function.observation;
            let examination = judge(observation, &observation.errors, observation);
            (function.address, examination.missing)
        });
        unknown.filter(|(_, missing)| !missing.is_empty()).collect()
    }
}
