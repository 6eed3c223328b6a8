//! The state of a GPU while it was well.

use reseat_core::address::{DeviceAddress, FunctionAddress};
use reseat_core::header::{ClassCode, Identity, is_gpu};
use reseat_core::health::{Condition, Reading, judge};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::health;
use crate::model::finding::{Finding, id};
use crate::model::identification::{FunctionIdentity, Identification, Likeness};
use crate::model::subject::Member;
use crate::records::versioned::{VersionError, Versioned};
use crate::records::wire;

/// A GPU while it was well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "Document<Function>")]
pub struct Baseline {
    /// The device number that its functions share.
    pub device: DeviceAddress,
    /// When it was recorded, in UTC.
    pub recorded: String,
    /// Its functions.
    pub functions: Vec<FunctionBaseline>,
    /// The serial number that it gave.
    pub serial: Option<String>,
    /// The version of its VBIOS, or what stands for it.
    pub vbios: Option<String>,
}

/// One function of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionBaseline {
    /// Its address.
    pub address: FunctionAddress,
    /// Vendor and device ID.
    pub identity: Identity,
    /// Class.
    pub class: ClassCode,
    /// All that was read.
    pub observation: Condition,
}

/// The form of the file. In version 1, a function was what serde makes of core's types.
#[derive(Clone, Serialize, Deserialize)]
struct Document<F> {
    schema: String,
    device: DeviceAddress,
    recorded: String,
    functions: Vec<F>,
    #[serde(default)]
    serial: Option<String>,
    #[serde(default)]
    vbios: Option<String>,
}

impl<F: Into<FunctionBaseline>> From<Document<F>> for Baseline {
    fn from(document: Document<F>) -> Self {
        Self {
            device: document.device,
            recorded: document.recorded,
            functions: document.functions.into_iter().map(Into::into).collect(),
            serial: document.serial,
            vbios: document.vbios,
        }
    }
}

impl Versioned for Baseline {
    const SCHEMA: &'static str = "reseat.baseline/2";

    fn from_version(schema: &str, value: Value) -> Result<Self, VersionError> {
        match schema {
            Self::SCHEMA => Ok(serde_json::from_value::<Document<Function>>(value)?.into()),
            "reseat.baseline/1" => Ok(serde_json::from_value::<Document<FunctionBaseline>>(value)?.into()),
            other => Err(VersionError::unknown::<Self>(other)),
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Function {
    address: FunctionAddress,
    identity: Identity,
    class: ClassCode,
    #[serde(with = "wire")]
    observation: Condition,
}

impl From<Function> for FunctionBaseline {
    fn from(function: Function) -> Self {
        Self {
            address: function.address,
            identity: function.identity,
            class: function.class,
            observation: function.observation,
        }
    }
}

impl From<FunctionBaseline> for Function {
    fn from(function: FunctionBaseline) -> Self {
        Self {
            address: function.address,
            identity: function.identity,
            class: function.class,
            observation: function.observation,
        }
    }
}

impl From<Baseline> for Document<Function> {
    fn from(baseline: Baseline) -> Self {
        Self {
            schema: Baseline::SCHEMA.to_owned(),
            device: baseline.device,
            recorded: baseline.recorded,
            functions: baseline.functions.into_iter().map(Into::into).collect(),
            serial: baseline.serial,
            vbios: baseline.vbios,
        }
    }
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

    /// What the function at `member`'s place is held against. A record from before each function's number was kept has the
    /// GPU's.
    pub fn condition_of(&self, member: &Member) -> Option<Condition> {
        let mut condition = self.of(member)?.observation.clone();
        let is_recorded = condition.serial_number != Reading::not_recorded();
        let of_gpu = self.serial.as_deref().filter(|_| is_gpu(member.identity, member.class));
        if let Some(number) = of_gpu.and_then(|serial| serial.parse().ok()).filter(|_| !is_recorded) {
            condition.serial_number = Reading::Value(number);
        }
        Some(condition)
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

    /// What is wrong with it as a baseline: a GPU that is not well now is none to hold it against later.
    /// What is merely not known is in [`unknown`](Self::unknown).
    pub fn faults(&self) -> Vec<Finding> {
        let faults = self.functions.iter().flat_map(|function| {
            let observation = &function.observation;
            let examination = judge(observation, &observation.errors, observation);
            health::faults(function.address, &examination)
        });
        faults.collect()
    }

    /// What nothing can be verified of with this baseline, by function.
    pub fn unknown(&self) -> Vec<Finding> {
        let unknown = self.functions.iter().map(|function| {
            let observation = &function.observation;
            let examination = judge(observation, &observation.errors, observation);
            health::missing(id::NOT_IN_BASELINE, function.address, &examination)
        });
        unknown.flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use reseat_core::capability::express::{DeviceControl, LinkSpeed};
    use reseat_core::capability::power_management::PowerState;
    use reseat_core::health::{Counter, Errors, ErrorsAt, LinkReading, NotRead};

    use super::*;
    use crate::model::identification::tests::{first, second};
    use crate::records::versioned::{from_slice, from_value};

    const FROZEN: &str = include_str!("baseline-2.json");
    /// As version 1 wrote it.
    const FORMER: &str = include_str!("baseline-1.json");

    fn baseline() -> Baseline {
        let address: FunctionAddress = "0000:01:00.0".parse().unwrap();
        let mut errors = Errors::new();
        let counted = ErrorsAt {
            at: address,
            counter: Counter::Continued,
            fatal: 0,
            non_fatal: 1,
        };
        errors.push(counted).unwrap();
        Baseline {
            device: address.device_address(),
            recorded: "2026-09-21T14:13:20Z".to_owned(),
            functions: vec![FunctionBaseline {
                address,
                identity: "10de:2231".parse().unwrap(),
                class: "030000".parse().unwrap(),
                observation: Condition {
                    identity: Reading::Value("10de:2231".parse().unwrap()),
                    word_at_f0: Reading::AllOnes,
                    power: Reading::Value(PowerState::D0),
                    bars: Reading::Value([0xfb00_0000, 0x2000_000c, 0, 0, 0, 0xd001]),
                    bar_sizes: Reading::Value([24, 28, 0, 0, 0, 7]),
                    memory_decode: Reading::Value(true),
                    device_control: Reading::Value(DeviceControl::from_bits(0x2930)),
                    transactions_pending: Reading::Value(false),
                    link: Reading::Value(LinkReading::Active {
                        width: 16,
                        speed: LinkSpeed::Gt2_5,
                    }),
                    errors: Reading::Value(errors),
                    vendor_register: Reading::NotRead(NotRead::Forbidden),
                    boot: Reading::None,
                    serial_number: Reading::Value("48-b0-2d-00-00-00-00-01".parse().unwrap()),
                },
            }],
            serial: Some("48-b0-2d-00-00-00-00-01".to_owned()),
            vbios: Some("94.02.5c.00.08".to_owned()),
        }
    }

    #[test]
    fn the_form_is_frozen() {
        assert_eq!(serde_json::to_string_pretty(&baseline()).unwrap(), FROZEN.trim_end());
        assert_eq!(from_slice::<Baseline>(FROZEN.as_bytes()).unwrap(), baseline());
    }

    #[test]
    fn version_1_is_read_with_and_without_what_came_to_it_later() {
        let mut former: Value = serde_json::from_str(FORMER).unwrap();
        let expected = Baseline {
            functions: vec![FunctionBaseline {
                observation: Condition {
                    serial_number: Reading::not_recorded(),
                    ..Condition::unread()
                },
                ..baseline().functions.remove(0)
            }],
            ..baseline()
        };
        assert_eq!(from_value::<Baseline>(former.clone()).unwrap(), expected);
        let fields = former.as_object_mut().unwrap();
        assert!(fields.remove("serial").is_some() && fields.remove("vbios").is_some());
        let read: Baseline = from_value(former.clone()).unwrap();
        assert_eq!((&read.serial, &read.vbios), (&None, &None));
        former["schema"] = "reseat.baseline/3".into();
        assert!(matches!(
            from_value::<Baseline>(former),
            Err(VersionError::Schema { .. })
        ));
    }

    #[test]
    fn a_record_without_the_functions_numbers_has_the_gpus() {
        let member = baseline().members().remove(0);
        let number = Reading::Value("48-b0-2d-00-00-00-00-01".parse().unwrap());
        let mut record: Value = serde_json::from_str(FROZEN).unwrap();
        let observation = record["functions"][0]["observation"].as_object_mut().unwrap();
        assert!(observation.remove("serial_number").is_some());
        let former: Baseline = from_value(record.clone()).unwrap();
        assert_eq!(former.functions[0].observation.serial_number, Reading::not_recorded());
        assert_eq!(former.condition_of(&member).unwrap().serial_number, number);
        // One of a GPU that has none is held against none.
        record["serial"] = Value::Null;
        let none: Baseline = from_value(record).unwrap();
        assert_eq!(
            none.condition_of(&member).unwrap().serial_number,
            Reading::not_recorded()
        );
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
