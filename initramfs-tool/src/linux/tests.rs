//! The effects on a directory that stands for `/`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use reseat_core::capability::power_management::PowerState;
use tempfile::TempDir;

use super::*;
use crate::claim::{Attribute, FailureKind, Operation, OperationAnswer, PmcsrReading, Verb};
use crate::linux::claim::effects::Effects;
use crate::linux::fixtures::{IN_D0, IN_D3HOT, WITH_A_CYCLE, config_space};
use crate::messages;
use crate::report::{GpuVerdict, Report, Verdict};

/// A machine made of files.
struct Machine {
    directory: TempDir,
}

const GPU: &str = "0000:01:00.0";

impl Machine {
    fn new() -> Self {
        let machine = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        machine.write("/proc/cmdline", "quiet");
        machine.write("/proc/cpuinfo", "vendor_id\t: GenuineIntel\n");
        machine.write("/dev/kmsg", "");
        fs::create_dir_all(machine.path("/sys/bus/pci/devices")).unwrap();
        machine
    }

    fn with_gpu() -> Self {
        let machine = Self::new();
        machine.function(GPU, "0x10de", "0x2489", "0x030000");
        machine
    }

    fn root(&self) -> Root {
        Root::at(self.directory.path())
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root().path(path)
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn function(&self, address: &str, vendor: &str, device: &str, class: &str) {
        let directory = format!("/sys/bus/pci/devices/{address}");
        for (file, content) in [
            ("vendor", vendor),
            ("device", device),
            ("class", class),
            ("driver_override", "(null)"),
            ("power/control", "on"),
            ("power/runtime_status", "active"),
            ("power_state", "D0"),
        ] {
            self.write(&format!("{directory}/{file}"), format!("{content}\n"));
        }
        symlink(
            "../../../kernel/iommu_groups/7",
            self.path(&format!("{directory}/iommu_group")),
        )
        .unwrap();
        self.config(address, &config_space(IN_D0));
    }

    fn config(&self, address: &str, bytes: &[u8]) {
        self.write(&format!("/sys/bus/pci/devices/{address}/config"), bytes);
    }

    fn perform(&self, effects: &mut Effects<'_>, verb: Verb) -> Result<OperationAnswer, crate::claim::Failure> {
        effects.perform(&Operation {
            function: GPU.parse().unwrap(),
            verb,
        })
    }

    fn claim(&self) -> Report {
        let options = BootOptions {
            root: self.root(),
            rules: None,
            report: None,
            dry_run: false,
        };
        boot_claim(&options, messages::report::log_lines)
    }

    fn kernel_log(&self) -> String {
        fs::read_to_string(self.path("/dev/kmsg")).unwrap()
    }
}

#[test]
fn functions_are_listed_with_driver_and_group() {
    let machine = Machine::with_gpu();
    symlink(
        "../../bus/pci/drivers/nouveau",
        machine.path("/sys/bus/pci/devices/0000:01:00.0/driver"),
    )
    .unwrap();
    let listing = list(&machine.root());
    assert_eq!(listing.problems, Vec::new());
    let function = &listing.functions[0];
    assert_eq!(function.identity.to_string(), "10de:2489");
    assert_eq!(function.driver.as_deref(), Some("nouveau"));
    assert_eq!(function.iommu_group.as_deref(), Some("7"));
}

#[test]
fn a_function_that_cannot_be_read_is_named_and_the_others_are_listed() {
    let machine = Machine::with_gpu();
    machine.function("0000:02:00.0", "0x10de", "what", "0x030000");
    let listing = list(&machine.root());
    assert_eq!(listing.functions.len(), 1);
    let (address, problem) = &listing.unreadable[0];
    assert_eq!(address.to_string(), "0000:02:00.0");
    let problem = messages::line(problem);
    assert!(problem.contains("0000:02:00.0/device holds `what`"), "{problem}");
}

#[test]
fn a_function_is_asked_itself_for_its_power_state() {
    let machine = Machine::with_gpu();
    let root = machine.root();
    for (fixture, expected) in [(IN_D0, PowerState::D0), (IN_D3HOT, PowerState::D3hot)] {
        let mut effects = Effects::new(&root);
        machine.config(GPU, &config_space(fixture));
        machine.perform(&mut effects, Verb::Probe).unwrap();
        let answer = machine.perform(&mut effects, Verb::ReadPower).unwrap();
        let OperationAnswer::Power(reading) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(reading.pmcsr, Some(PmcsrReading::State(expected)));
        assert_eq!(reading.is_pinned_in_d0(), expected == PowerState::D0);
    }
}

#[test]
fn a_function_that_goes_dark_after_the_probe_is_not_in_d0() {
    let machine = Machine::with_gpu();
    let root = machine.root();
    let mut effects = Effects::new(&root);
    machine.perform(&mut effects, Verb::Probe).unwrap();
    // Over the same file: the effects hold it open.
    fs::write(machine.path("/sys/bus/pci/devices/0000:01:00.0/config"), [0xff; 256]).unwrap();
    let answer = machine.perform(&mut effects, Verb::ReadPower).unwrap();
    let OperationAnswer::Power(reading) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(reading.pmcsr, Some(PmcsrReading::AllOnes));
    assert!(!reading.is_pinned_in_d0());
}

#[test]
fn what_does_not_answer_is_told_apart() {
    let machine = Machine::with_gpu();
    let root = machine.root();
    for (bytes, expected) in [
        (vec![0xff; 256], "all-ones"),
        (vec![0x00; 256], "reads 0"),
        ([&[0x01, 0x00, 0xff, 0xff], [0xff; 252].as_slice()].concat(), "RRS"),
        (config_space(IN_D0)[..40].to_vec(), "is short: it ends at 40 bytes"),
    ] {
        machine.config(GPU, &bytes);
        let failure = machine.perform(&mut Effects::new(&root), Verb::Probe).unwrap_err();
        let failure = messages::line(&failure.finding);
        assert!(failure.contains(expected), "{failure}");
        assert!(failure.contains(GPU), "{failure}");
    }
}

#[test]
fn a_broken_capability_list_is_no_proof_of_d0() {
    let machine = Machine::with_gpu();
    let root = machine.root();
    let mut effects = Effects::new(&root);
    machine.config(GPU, &config_space(WITH_A_CYCLE));
    let failure = machine.perform(&mut effects, Verb::Probe).unwrap_err();
    let failure = messages::line(&failure.finding);
    assert!(failure.contains("cycle"), "{failure}");
}

#[test]
fn a_write_tells_the_value_before_and_a_missing_attribute_is_no_error() {
    let machine = Machine::with_gpu();
    let root = machine.root();
    let mut effects = Effects::new(&root);
    let write = |attribute| Verb::Write {
        attribute,
        value: "vfio-pci".to_owned(),
    };
    let answer = machine.perform(&mut effects, write(Attribute::DriverOverride)).unwrap();
    let before = "(null)".to_owned();
    assert_eq!(answer, OperationAnswer::Written { before });
    let path = machine.path("/sys/bus/pci/devices/0000:01:00.0/driver_override");
    assert!(fs::read_to_string(path).unwrap().starts_with("vfio-pci\n"));
    let answer = machine.perform(&mut effects, write(Attribute::D3coldAllowed)).unwrap();
    assert_eq!(answer, OperationAnswer::NoSuchAttribute);
}

#[test]
fn a_function_that_is_gone_is_said_to_be_gone() {
    let machine = Machine::with_gpu();
    let root = machine.root();
    fs::remove_dir_all(machine.path("/sys/bus/pci/devices/0000:01:00.0")).unwrap();
    for verb in [
        Verb::Probe,
        Verb::ReadDriver,
        Verb::Write {
            attribute: Attribute::DriverOverride,
            value: "vfio-pci".to_owned(),
        },
        Verb::Bind {
            driver: "vfio-pci".to_owned(),
        },
    ] {
        let failure = machine.perform(&mut Effects::new(&root), verb).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Vanished);
        let failure = messages::line(&failure.finding);
        assert!(failure.starts_with("0000:01:00.0 is gone"), "{failure}");
    }
}

#[test]
fn the_kernel_that_saves_the_memory_of_a_crashed_one_claims_nothing() {
    let machine = Machine::with_gpu();
    machine.write("/proc/cmdline", "reset_devices reseat.claim=gpu");
    machine.write("/proc/vmcore", "");
    let report = machine.claim();
    assert_eq!((report.verdict, report.complete), (Verdict::CrashKernel, true));
    assert_eq!(
        machine.kernel_log(),
        "<5>reseat: this kernel saves the memory of a crashed one: nothing was touched\n"
    );
}

#[test]
fn off_reads_nothing_and_leaves_a_report() {
    let machine = Machine::with_gpu();
    machine.write("/proc/cmdline", "reseat=off reseat.claim=gpu");
    assert_eq!(machine.claim().verdict, Verdict::Off);
    let report = read_report(&machine.root(), Path::new(CLAIM_REPORT)).unwrap();
    assert_eq!(report.verdict, Verdict::Off);
    assert_eq!(
        machine.kernel_log(),
        "<5>reseat: off by the kernel command line: nothing was touched\n"
    );
}

#[test]
fn a_dry_run_says_what_it_would_do_and_changes_nothing() {
    let machine = Machine::with_gpu();
    machine.write("/proc/cmdline", "reseat.dry-run reseat.claim=gpu");
    machine.write("/sys/bus/pci/drivers/vfio-pci/bind", "");
    let report = machine.claim();
    assert_eq!(report.verdict, Verdict::DryRun);
    assert_eq!(report.gpus[0].verdict, GpuVerdict::WouldClaim);
    let path = machine.path("/sys/bus/pci/devices/0000:01:00.0/driver_override");
    assert_eq!(fs::read_to_string(path).unwrap(), "(null)\n");
}

#[test]
fn a_bad_rules_file_is_reported_and_rules_of_the_command_line_still_count() {
    let machine = Machine::with_gpu();
    machine.write("/etc/reseat/reseat.toml", "[[claim]]\nselect = gpu\n");
    machine.write("/proc/cmdline", "reseat.dry-run reseat.claim=0000:01:00.0");
    let report = machine.claim();
    assert!(
        messages::line(&report.problems[0]).starts_with("/etc/reseat/reseat.toml:2: "),
        "{:?}",
        report.problems
    );
    assert_eq!(report.gpus.len(), 1);
    assert!(
        machine.kernel_log().contains("<4>reseat: /etc/reseat/reseat.toml:2: "),
        "{}",
        machine.kernel_log()
    );
}

#[test]
fn rules_that_cannot_be_read_are_not_taken_for_none() {
    let machine = Machine::with_gpu();
    // A directory: not even root reads it as a file.
    fs::create_dir_all(machine.path("/etc/reseat/reseat.toml")).unwrap();
    let report = machine.claim();
    assert_eq!(report.verdict, Verdict::Incomplete);
    assert!(
        messages::line(&report.problems[0]).starts_with("cannot read /etc/reseat/reseat.toml: "),
        "{:?}",
        report.problems
    );
}

#[test]
fn without_an_iommu_the_gpu_is_refused_with_the_remedy() {
    let machine = Machine::with_gpu();
    fs::remove_file(machine.path("/sys/bus/pci/devices/0000:01:00.0/iommu_group")).unwrap();
    machine.write("/proc/cmdline", "reseat.claim=gpu");
    machine.write("/sys/firmware/acpi/tables/DMAR", "");
    let report = machine.claim();
    assert_eq!(report.verdict, Verdict::Incomplete);
    assert_eq!(report.gpus[0].verdict, GpuVerdict::Refused);
    let problem = messages::line(report.gpus[0].problem.as_ref().unwrap());
    assert_eq!(
        problem,
        "0000:01:00.0: no IOMMU; add `intel_iommu=on` to the kernel command line"
    );
}

#[test]
fn a_machine_without_modprobe_says_where_it_looked() {
    let machine = Machine::with_gpu();
    machine.write("/proc/cmdline", "reseat.claim=gpu");
    machine.write("/proc/sys/kernel/modprobe", "/opt/modprobe\n");
    let report = machine.claim();
    assert_eq!(report.verdict, Verdict::Incomplete);
    let problem = messages::line(&report.vfio_pci.unwrap().problem.unwrap());
    assert!(
        problem.contains("/opt/modprobe") && problem.contains("/sbin/modprobe"),
        "{problem}"
    );
    assert_eq!(report.gpus[0].verdict, GpuVerdict::Refused);
}

#[test]
fn every_line_of_the_kernel_log_is_one_line_with_the_prefix() {
    let machine = Machine::new();
    log(
        &machine.root(),
        crate::report::Tone::Warning,
        &"two\nlines ".repeat(200),
    )
    .unwrap();
    let text = machine.kernel_log();
    assert!(text.starts_with("<4>reseat: two lines two"), "{text}");
    assert_eq!(text.lines().count(), 1);
    assert!(text.len() < 1000, "{}", text.len());
}

#[test]
fn a_report_of_another_schema_is_not_misread() {
    let machine = Machine::new();
    machine.write(CLAIM_REPORT, "{\"schema\": \"reseat.claim/3\", \"gpus\": 7}");
    let error = read_report(&machine.root(), Path::new(CLAIM_REPORT)).unwrap_err();
    assert!(error.to_string().contains("reseat.claim/3"), "{error}");
}

#[test]
fn a_command_line_that_is_no_text_still_has_its_switch() {
    let machine = Machine::with_gpu();
    machine.write("/etc/reseat/reseat.toml", "[[claim]]\nselect = \"gpu\"\n");
    machine.write("/proc/cmdline", b"root=LABEL=caf\xe9 reseat=off");
    assert_eq!(machine.claim().verdict, Verdict::Off);
}

#[test]
fn without_a_command_line_nothing_is_claimed() {
    let machine = Machine::with_gpu();
    machine.write("/etc/reseat/reseat.toml", "[[claim]]\nselect = \"gpu\"\n");
    fs::remove_file(machine.path("/proc/cmdline")).unwrap();
    let report = machine.claim();
    assert_eq!(report.verdict, Verdict::Incomplete);
    assert!(report.gpus.is_empty());
    assert!(
        messages::line(&report.problems[0]).starts_with("cannot read /proc/cmdline"),
        "{:?}",
        report.problems
    );
}

#[test]
fn a_report_takes_no_other_things_place() {
    let machine = Machine::new();
    symlink("/dev/null", machine.path("/dev/claim")).unwrap();
    let report = machine.claim();
    let error = write_report(&machine.root(), Path::new("/dev/claim"), &report).unwrap_err();
    assert!(error.to_string().contains("no regular file"), "{error}");
    assert!(machine.path("/dev/claim").is_symlink());
}
