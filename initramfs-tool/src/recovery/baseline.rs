//! What a GPU was like while it was well.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::header::{ClassCode, Identity};
use reseat_core::health::{Aspects, Condition, judge};
use serde::{Deserialize, Serialize};

use super::Member;
use crate::model::identification::{FunctionIdentity, Identification, Likeness};

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
    /// The serial number that it gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// The version of its VBIOS, or what stands for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vbios: Option<String>,
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
    pub observation: Condition,
}

impl Baseline {
    /// Whether it may be this GPU's: neither an identity nor a serial number says that it is another's.
    pub fn is_of(&self, gpu: &Identification) -> bool {
        let functions = self.functions.iter().map(|function| FunctionIdentity {
            address: function.address,
            identity: function.identity,
        });
        let recorded = Identification {
            device: self.device,
            functions: functions.collect(),
            slot: None,
            serial: self.serial.clone(),
        };
        recorded.likeness(gpu) == Likeness::Same
    }

    /// What is known of a GPU that does not say its serial number, with the one that it gave while it was well.
    pub fn complete(gpu: Identification, baseline: Option<&Self>) -> Identification {
        let baseline = baseline.filter(|baseline| baseline.is_of(&gpu));
        let serial = baseline.and_then(|baseline| baseline.serial.clone());
        Identification {
            serial: gpu.serial.or(serial),
            ..gpu
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::identification::tests::{first, second};

    /// As versions before wrote it, with what came since behind.
    const FROZEN: &str = include_str!("baseline-1.json");

    fn baseline() -> Baseline {
        Baseline {
            schema: SCHEMA.to_owned(),
            device: "0000:01:00".parse().unwrap(),
            recorded: "2026-09-21T14:13:20Z".to_owned(),
            functions: vec![FunctionBaseline {
                address: "0000:01:00.0".parse().unwrap(),
                identity: "10de:2231".parse().unwrap(),
                class: "030000".parse().unwrap(),
                observation: Condition::unread(),
            }],
            serial: Some("48-b0-2d-00-00-00-00-01".to_owned()),
            vbios: Some("94.02.5c.00.08".to_owned()),
        }
    }

    #[test]
    fn the_form_is_frozen_and_what_was_written_before_is_read() {
        assert_eq!(serde_json::to_string_pretty(&baseline()).unwrap(), FROZEN.trim_end());
        assert_eq!(serde_json::from_str::<Baseline>(FROZEN).unwrap(), baseline());
        let mut before: serde_json::Value = serde_json::from_str(FROZEN).unwrap();
        let fields = before.as_object_mut().unwrap();
        assert!(fields.remove("serial").is_some() && fields.remove("vbios").is_some());
        let read: Baseline = serde_json::from_value(before.clone()).unwrap();
        assert_eq!((&read.serial, &read.vbios), (&None, &None));
        assert_eq!(serde_json::to_value(&read).unwrap(), before);
    }

    fn saying(gpu: Identification, serial: &str) -> Identification {
        Identification {
            serial: Some(serial.to_owned()),
            ..gpu
        }
    }

    #[test]
    fn it_is_of_the_gpu_in_its_place_unless_that_says_otherwise() {
        assert!(baseline().is_of(&first()));
        assert!(baseline().is_of(&saying(first(), "48-b0-2d-00-00-00-00-01")));
        assert!(!baseline().is_of(&saying(first(), "48-b0-2d-00-00-00-00-02")));
        let mut other = first();
        other.functions[0].identity.device ^= 1;
        assert!(!baseline().is_of(&other));
        assert!(!baseline().is_of(&second()));
    }

    #[test]
    fn one_that_says_no_number_has_the_one_that_it_said_and_no_others() {
        let complete = |gpu| Baseline::complete(gpu, Some(&baseline())).serial;
        assert_eq!(complete(first()), baseline().serial);
        assert_eq!(complete(second()), None);
        let another = saying(first(), "48-b0-2d-00-00-00-00-02");
        assert_eq!(complete(another.clone()), another.serial);
        assert_eq!(Baseline::complete(first(), None), first());
    }
}
