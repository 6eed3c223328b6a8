//! The reason why a function has no IOMMU, and the remedy.

use reseat_core::address::FunctionAddress;

use crate::model::finding::{Finding, Subject, id};

/// The facts about the machine's IOMMU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IommuFacts {
    /// True if the kernel runs any IOMMU.
    pub running: bool,
    /// The firmware's table that describes the IOMMUs.
    pub table: Option<Table>,
    /// The processor's maker, if it decides the names of settings.
    pub processor: Processor,
    /// The kernel command line.
    pub command_line: String,
}

impl IommuFacts {
    /// Returns true if a function without a group may join one with its first driver.
    ///
    /// On Arm, kernel 6.12 connects a function with the SMMU only when a driver is about to bind. Kernel 7.3 does so
    /// when it discovers the function, as x86 always did. A function without a group then never joins one, and the
    /// claim detects that as well.
    pub fn groups_come_with_drivers(&self) -> bool {
        self.running && self.processor == Processor::Arm
    }
}

/// The ACPI tables that describe IOMMUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// DMAR: Intel VT-d.
    Dmar,
    /// IVRS: AMD-Vi.
    Ivrs,
    /// IORT: Arm SMMU.
    Iort,
}

/// The makers of processors whose IOMMUs have different names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Processor {
    /// Intel: VT-d.
    Intel,
    /// AMD: AMD-Vi.
    Amd,
    /// Arm, any maker.
    Arm,
    /// Unknown.
    #[default]
    Other,
}

/// The reason why a function is in no IOMMU group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// A kernel parameter turns the IOMMU off.
    TurnedOff {
        /// The parameter, as on the command line.
        parameter: String,
    },
    /// The firmware describes an IOMMU, but the kernel needs a parameter to use it.
    Parameter {
        /// The parameter to add.
        parameter: &'static str,
    },
    /// The firmware describes no IOMMU.
    Firmware {
        /// The name of the setting in the firmware setup.
        setting: &'static str,
        /// The parameter to add as well, if the kernel needs one.
        parameter: Option<&'static str>,
    },
    /// An IOMMU is active, but this function is not behind it.
    Uncovered,
    /// The firmware describes an IOMMU, and the reason is unknown.
    Unknown {
        /// The table that was found.
        table: Table,
    },
}

/// Determines why a function without an IOMMU group has none.
pub fn diagnose(evidence: &IommuFacts) -> Missing {
    if evidence.running {
        return Missing::Uncovered;
    }
    if let Some(parameter) = turned_off(evidence) {
        return Missing::TurnedOff { parameter };
    }
    match (evidence.table, evidence.processor) {
        (Some(Table::Dmar), _) if !asks_for_intel(&evidence.command_line) => Missing::Parameter {
            parameter: "intel_iommu=on",
        },
        (Some(table), _) => Missing::Unknown { table },
        (None, Processor::Intel) => Missing::Firmware {
            setting: "Intel VT-d (Virtualization Technology for Directed I/O)",
            parameter: Some("intel_iommu=on"),
        },
        (None, Processor::Amd) => Missing::Firmware {
            setting: "AMD-Vi (IOMMU)",
            parameter: None,
        },
        (None, Processor::Arm) => Missing::Firmware {
            setting: "the SMMU (IOMMU)",
            parameter: None,
        },
        (None, Processor::Other) => Missing::Firmware {
            setting: "the IOMMU (Intel VT-d, AMD-Vi or SMMU)",
            parameter: None,
        },
    }
}

fn turned_off(evidence: &IommuFacts) -> Option<String> {
    // The other maker's parameter has no effect here.
    let own = match (evidence.table, evidence.processor) {
        (Some(Table::Dmar), _) | (None, Processor::Intel) => "intel_iommu",
        (Some(Table::Ivrs), _) | (None, Processor::Amd) => "amd_iommu",
        (Some(Table::Iort), _) | (None, Processor::Arm | Processor::Other) => "iommu",
    };
    evidence
        .command_line
        .split_ascii_whitespace()
        .find(|parameter| match parameter.split_once('=') {
            Some((name, values)) if name == "iommu" || name == own => values.split(',').any(|value| value == "off"),
            _ => false,
        })
        .map(str::to_owned)
}

fn asks_for_intel(command_line: &str) -> bool {
    command_line
        .split_ascii_whitespace()
        .filter_map(|parameter| parameter.strip_prefix("intel_iommu="))
        .any(|values| values.split(',').any(|value| value == "on"))
}

impl Table {
    /// The name in /sys/firmware/acpi/tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dmar => "DMAR",
            Self::Ivrs => "IVRS",
            Self::Iort => "IORT",
        }
    }
}

impl Missing {
    /// The refusal of a function without a group.
    pub fn finding(&self, function: FunctionAddress) -> Finding {
        let refusal = |id| Finding::refusal(id, Subject::function(function));
        match self {
            Self::TurnedOff { parameter } => refusal(id::IOMMU_TURNED_OFF)
                .with("parameter", parameter)
                .remedy(id::REMOVE_PARAMETER),
            Self::Parameter { parameter } => refusal(id::IOMMU_PARAMETER_MISSING)
                .with("parameter", parameter)
                .remedy(id::ADD_PARAMETER),
            Self::Firmware { setting, parameter } => {
                let refusal = refusal(id::IOMMU_OFF_IN_FIRMWARE).with("setting", setting);
                match parameter {
                    Some(parameter) => refusal
                        .with("parameter", parameter)
                        .remedy(id::ENABLE_IN_FIRMWARE_AND_ADD_PARAMETER),
                    None => refusal.remedy(id::ENABLE_IN_FIRMWARE),
                }
            }
            Self::Uncovered => refusal(id::IOMMU_UNCOVERED),
            Self::Unknown { table } => refusal(id::IOMMU_UNEXPLAINED)
                .with("table", table.name())
                .remedy(id::SEE_KERNEL_LOG),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The refusal in words, without the function.
    fn line(missing: &Missing) -> String {
        let line = crate::messages::line(&missing.finding("0000:01:00.0".parse().unwrap()));
        line.strip_prefix("0000:01:00.0: ").unwrap().to_owned()
    }

    fn evidence(table: Option<Table>, processor: Processor, command_line: &str) -> IommuFacts {
        IommuFacts {
            running: false,
            table,
            processor,
            command_line: command_line.to_owned(),
        }
    }

    #[test]
    fn a_described_but_unused_vt_d_wants_the_parameter() {
        // The processor's maker does not matter: the table decides.
        let missing = diagnose(&evidence(Some(Table::Dmar), Processor::Amd, "quiet iommu=pt"));
        assert_eq!(
            line(&missing),
            "no IOMMU; add `intel_iommu=on` to the kernel command line"
        );
    }

    #[test]
    fn an_undescribed_iommu_wants_the_firmware() {
        let missing = diagnose(&evidence(None, Processor::Intel, "intel_iommu=on"));
        assert!(line(&missing).contains("VT-d"), "{missing:?}");
        let missing = diagnose(&evidence(None, Processor::Amd, ""));
        assert_eq!(line(&missing), "no IOMMU; enable AMD-Vi (IOMMU) in the firmware setup");
    }

    #[test]
    fn a_parameter_that_turns_it_off_is_named_first() {
        for parameter in ["iommu=off", "amd_iommu=off", "iommu=pt,off"] {
            let missing = diagnose(&evidence(
                Some(Table::Ivrs),
                Processor::Amd,
                &format!("quiet {parameter}"),
            ));
            assert_eq!(
                missing,
                Missing::TurnedOff {
                    parameter: parameter.to_owned()
                }
            );
        }
    }

    #[test]
    fn the_other_makers_parameter_turns_nothing_off() {
        let missing = diagnose(&evidence(Some(Table::Dmar), Processor::Intel, "amd_iommu=off"));
        assert!(matches!(missing, Missing::Parameter { .. }), "{missing:?}");
    }

    #[test]
    fn only_behind_a_running_smmu_a_group_may_come_later() {
        let mut evidence = evidence(None, Processor::Arm, "");
        assert!(!evidence.groups_come_with_drivers());
        evidence.running = true;
        assert!(evidence.groups_come_with_drivers());
        for processor in [Processor::Intel, Processor::Amd, Processor::Other] {
            evidence.processor = processor;
            assert!(!evidence.groups_come_with_drivers(), "{processor:?}");
        }
    }

    #[test]
    fn a_function_behind_no_unit_is_told_apart() {
        let mut evidence = evidence(Some(Table::Dmar), Processor::Intel, "intel_iommu=on");
        assert_eq!(diagnose(&evidence), Missing::Unknown { table: Table::Dmar });
        evidence.running = true;
        assert_eq!(diagnose(&evidence), Missing::Uncovered);
    }
}
