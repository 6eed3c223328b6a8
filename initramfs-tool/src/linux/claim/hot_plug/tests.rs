//! Everything up to the claim itself, on a directory that stands for `/`: a GPU of two functions behind a port.

use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::messages;
use crate::report::{Boot, GpuVerdict, Report, Verdict};

const PORT: &str = "0000:00:03.0";

struct Machine {
    directory: TempDir,
}

impl Machine {
    fn new(command_line: &str) -> Self {
        let machine = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        machine.write("proc/cmdline", command_line);
        machine.write("sys/bus/pci/drivers/vfio-pci/bind", "");
        machine.function(0, "0x030000");
        machine.function(1, "0x040300");
        for function in ["00.0", "00.1"] {
            machine.write(&format!("proc/bus/pci/01/{function}"), "");
        }
        machine
    }

    fn function(&self, number: u8, class: &str) {
        let name = format!("0000:01:00.{number}");
        let directory = format!("sys/devices/pci0000:00/{PORT}/{name}");
        for (file, content) in [("vendor", "0x10de"), ("device", "0x2489"), ("class", class)] {
            self.write(&format!("{directory}/{file}"), content);
        }
        symlink("../iommu_groups/1", self.path(&format!("{directory}/iommu_group"))).unwrap();
        let devices = self.path("sys/bus/pci/devices");
        fs::create_dir_all(&devices).unwrap();
        symlink(self.path(&directory), devices.join(name)).unwrap();
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        fs::write(path, content).unwrap();
    }

    fn root(&self) -> Root {
        Root::at(self.directory.path())
    }

    fn claim(&self, function: &str) -> Result<HotClaim, HotClaimError> {
        let options = HotOptions {
            root: self.root(),
            function: function.parse().unwrap(),
            dry_run: true,
            if_new: false,
        };
        run(&options, messages::report::log_details)
    }

    fn left_unless_new(&self, function: &str) -> Option<String> {
        let options = HotOptions {
            root: self.root(),
            function: function.parse().unwrap(),
            dry_run: true,
            if_new: true,
        };
        match run(&options, messages::report::log_details).unwrap() {
            HotClaim::Left(why) => Some(messages::line(&why)),
            HotClaim::Done(_) => None,
        }
    }

    fn saw(&self, at: &str, newest: Option<u64>) {
        let report = Report {
            newest_function: newest,
            ..Report::idle(Verdict::Claimed, Vec::new(), Boot::default(), Duration::ZERO)
        };
        report::write(&self.root(), Path::new(at), &report).unwrap();
    }

    fn left(&self, function: &str) -> String {
        match self.claim(function) {
            Ok(HotClaim::Left(why)) => messages::line(&why),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn all_functions_of_a_chosen_gpu_would_be_claimed_and_a_dry_run_writes_no_report() {
    let machine = Machine::new("reseat.claim=0000:01:00.0,0000:09:00.0");
    let HotClaim::Done(report) = machine.claim("0000:01:00.1").unwrap() else {
        panic!("nothing was done");
    };
    // What the other rule lacks is not this GPU's fault.
    assert_eq!((report.verdict, report.complete), (Verdict::DryRun, true));
    assert_eq!(report.gpus[0].verdict, GpuVerdict::WouldClaim);
    assert_eq!(report.gpus[0].functions.len(), 2);
    assert_eq!(report.limit_ms, 60_000);
    let path = report_of("0000:01:00".parse().unwrap());
    assert!(!machine.root().path(path).exists());
}

#[test]
fn nothing_is_claimed_while_the_memory_of_a_crashed_kernel_is_saved() {
    let machine = Machine::new("reseat.claim=0000:01:00.0");
    machine.write("proc/vmcore", "");
    let why = machine.left("0000:01:00.1");
    assert_eq!(why, "0000:01:00: this kernel saves the memory of a crashed one");
}

#[test]
fn what_is_not_chosen_is_left_and_why() {
    for (command_line, why) in [
        ("", "0000:01:00: no rule chooses it"),
        ("reseat.claim=0000:02:00.0", "0000:01:00: no rule chooses it"),
        (
            "reseat.claim=gpu reseat=off",
            "0000:01:00: off by the kernel command line",
        ),
    ] {
        assert_eq!(Machine::new(command_line).left("0000:01:00.0"), why);
    }
    let machine = Machine::new("reseat.claim=gpu");
    machine.write("sys/bus/pci/devices/0000:03:00.0/vendor", "0x8086");
    assert_eq!(machine.left("0000:03:00.0"), "0000:03:00: there is no GPU");
    let error = machine.claim("0000:04:00.0").unwrap_err();
    assert_eq!(error.to_string(), "no function at 0000:04:00.0");
}

#[test]
fn told_again_of_what_was_there_it_leaves_that_alone() {
    let machine = Machine::new("reseat.claim=gpu");
    let (function, boot, own) = (
        "0000:01:00.1",
        report::CLAIM_REPORT,
        "/run/reseat/claim-0000:01:00.json",
    );
    let instance = functions::instance(&machine.root(), function.parse().unwrap()).unwrap();
    let unknown = "0000:01:00: no report tells which functions the boot's claim saw";
    let known = "0000:01:00: 0000:01:00.1 has been there since the last claim";
    assert_eq!(machine.left_unless_new(function).as_deref(), Some(unknown));
    machine.saw(boot, None);
    assert_eq!(machine.left_unless_new(function).as_deref(), Some(unknown));
    machine.saw(boot, Some(instance));
    assert_eq!(machine.left_unless_new(function).as_deref(), Some(known));
    machine.saw(boot, Some(instance - 1));
    assert_eq!(machine.left_unless_new(function), None);
    machine.saw(own, Some(instance));
    assert_eq!(machine.left_unless_new(function).as_deref(), Some(known));
}

#[test]
fn another_card_in_the_place_of_the_chosen_one_is_reported() {
    let machine = Machine::new("reseat.claim=0000:01:00.0@10de:1eb8");
    let HotClaim::Done(report) = machine.claim("0000:01:00.0").unwrap() else {
        panic!("nothing was done");
    };
    let problem = messages::line(report.rules[0].problem.as_ref().unwrap());
    assert_eq!(problem, "0000:01:00.0 is 10de:2489, not 10de:1eb8: not claimed");
    assert!(!report.complete && report.gpus.is_empty());
}

#[test]
fn a_gpu_is_left_to_the_recovery_that_holds_its_port_or_was_broken_off() {
    let machine = Machine::new("reseat.claim=gpu");
    let of_recovery = locks::of_possible_domains(&machine.root(), &[PORT.parse().unwrap()]).unwrap();
    assert!(of_recovery.is_some());
    let why = "0000:01:00: a recovery is under way, and claims what it brings back";
    assert_eq!(machine.left("0000:01:00.0"), why);
    drop(of_recovery);
    assert!(matches!(machine.claim("0000:01:00.0"), Ok(HotClaim::Done(_))));
}

#[test]
fn functions_that_the_kernel_is_still_adding_are_waited_for() {
    let machine = Machine::new("reseat.claim=gpu");
    let entry = machine.path("proc/bus/pci/01/00.1");
    fs::remove_file(&entry).unwrap();
    let added = thread::scope(|scope| {
        let claim = scope.spawn(|| machine.claim("0000:01:00.0"));
        thread::sleep(ADDING_PAUSE * 10);
        let waited = !claim.is_finished();
        // As architectures write it whose entries bear the segment.
        machine.write("proc/bus/pci/0000:01/00.1", "");
        (waited, claim.join().unwrap())
    });
    assert!(matches!(added, (true, Ok(HotClaim::Done(_)))), "{added:?}");
}

#[test]
fn a_run_that_is_dry_for_a_misspelt_parameter_says_so() {
    let HotClaim::Done(report) = Machine::new("reseat.claim=gpu reseat.dry")
        .claim("0000:01:00.0")
        .unwrap()
    else {
        panic!("nothing was done");
    };
    let problems: Vec<String> = report.problems.iter().map(messages::line).collect();
    assert_eq!(
        problems,
        ["unknown kernel parameter `reseat.dry`, so nothing is touched"]
    );
    assert_eq!((report.verdict, report.complete), (Verdict::DryRun, false));
}
