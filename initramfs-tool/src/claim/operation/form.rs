//! The form of an operation in a report: flat, with what it does not have as null.

use reseat_core::address::FunctionAddress;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Attribute, Operation, Verb};
use crate::model::display::Framebuffer;

#[derive(Serialize, Deserialize)]
struct Form {
    kind: Kind,
    function: FunctionAddress,
    driver: Option<String>,
    attribute: Option<Attribute>,
    value: Option<String>,
    framebuffer: Option<Framebuffer>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Probe,
    Write,
    Unbind,
    Bind,
    ReleaseFramebuffer,
    RestoreFramebuffer,
    ReadDriver,
    ReadIommu,
    ReadMemory,
    ReadPower,
}

impl From<&Operation> for Form {
    fn from(operation: &Operation) -> Self {
        let mut form = Self {
            kind: Kind::Probe,
            function: operation.function,
            driver: None,
            attribute: None,
            value: None,
            framebuffer: None,
        };
        form.kind = match &operation.verb {
            Verb::Probe => Kind::Probe,
            Verb::Write { attribute, value } => {
                form.attribute = Some(*attribute);
                form.value = Some(value.clone());
                Kind::Write
            }
            Verb::Unbind { driver } => {
                form.driver = Some(driver.clone());
                Kind::Unbind
            }
            Verb::Bind { driver } => {
                form.driver = Some(driver.clone());
                Kind::Bind
            }
            Verb::ReleaseFramebuffer(framebuffer) => {
                form.framebuffer = Some(framebuffer.clone());
                Kind::ReleaseFramebuffer
            }
            Verb::RestoreFramebuffer(framebuffer) => {
                form.framebuffer = Some(framebuffer.clone());
                Kind::RestoreFramebuffer
            }
            Verb::ReadDriver => Kind::ReadDriver,
            Verb::ReadIommu => Kind::ReadIommu,
            Verb::ReadMemory => Kind::ReadMemory,
            Verb::ReadPower => Kind::ReadPower,
        };
        form
    }
}

impl Form {
    /// The operation; nothing if a field of its kind is missing.
    fn operation(self) -> Option<Operation> {
        let verb = match self.kind {
            Kind::Probe => Verb::Probe,
            Kind::Write => Verb::Write {
                attribute: self.attribute?,
                value: self.value?,
            },
            Kind::Unbind => Verb::Unbind { driver: self.driver? },
            Kind::Bind => Verb::Bind { driver: self.driver? },
            Kind::ReleaseFramebuffer => Verb::ReleaseFramebuffer(self.framebuffer?),
            Kind::RestoreFramebuffer => Verb::RestoreFramebuffer(self.framebuffer?),
            Kind::ReadDriver => Verb::ReadDriver,
            Kind::ReadIommu => Verb::ReadIommu,
            Kind::ReadMemory => Verb::ReadMemory,
            Kind::ReadPower => Verb::ReadPower,
        };
        let function = self.function;
        Some(Operation { function, verb })
    }
}

pub(crate) fn serialize<S: Serializer>(operation: &Option<Operation>, serializer: S) -> Result<S::Ok, S::Error> {
    operation.as_ref().map(Form::from).serialize(serializer)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Operation>, D::Error> {
    let form = Option::<Form>::deserialize(deserializer)?;
    let operation = form.map(|form| {
        form.operation()
            .ok_or_else(|| D::Error::custom("an operation lacks a field"))
    });
    operation.transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::Leftover;
    use crate::model::finding::{Finding, Subject, id};

    #[test]
    fn every_operation_is_the_same_after_json_and_after_postcard() {
        let driver = || "vfio-pci".to_owned();
        let framebuffer = || Framebuffer {
            device: "efi-framebuffer.0".to_owned(),
            driver: None,
        };
        for verb in [
            Verb::Probe,
            Verb::Write {
                attribute: Attribute::PowerControl,
                value: "on".to_owned(),
            },
            Verb::Unbind { driver: driver() },
            Verb::Bind { driver: driver() },
            Verb::ReleaseFramebuffer(framebuffer()),
            Verb::RestoreFramebuffer(framebuffer()),
            Verb::ReadDriver,
            Verb::ReadIommu,
            Verb::ReadMemory,
            Verb::ReadPower,
        ] {
            let function = "0000:01:00.0".parse().unwrap();
            let left = Leftover {
                operation: Some(Operation { function, verb }),
                finding: Finding::error(id::UNDO_NOT_TRIED, Subject::function(function)),
            };
            let json = serde_json::to_string(&left).unwrap();
            assert_eq!(serde_json::from_str::<Leftover>(&json).unwrap(), left, "{json}");
            let bytes = postcard::to_allocvec(&left).unwrap();
            assert_eq!(postcard::from_bytes::<Leftover>(&bytes).unwrap(), left);
        }
        let form = "{\"operation\":{\"kind\":\"bind\",\"function\":\"0000:01:00.0\",\"driver\":null,\"attribute\":null,\
                    \"value\":null,\"framebuffer\":null}}";
        assert!(serde_json::from_str::<Leftover>(form).is_err());
    }
}
