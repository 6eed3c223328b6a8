//! The search on a directory that stands for `/`, whose device is the machine's own /dev/zero; and on the real /proc.

use std::fs::{self, File};
use std::ops::Deref;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::Instant;

use super::*;
use crate::linux::process::child::tests::{print, scripted};
use crate::linux::test_root::{TestRoot, facts_of};
use crate::model::usage::{DeviceKind, DeviceNumber, Interface, User, Watch, WatchedDevice};

const GPU: &str = "/sys/bus/pci/devices/0000:01:00.0";
const ZERO: &str = "1:5\n";

struct Machine(TestRoot);

impl Deref for Machine {
    type Target = TestRoot;

    fn deref(&self) -> &TestRoot {
        &self.0
    }
}

impl Machine {
    /// A GPU in IOMMU group 7, and a process 4242 that holds nothing of it.
    fn new() -> Self {
        let machine = Self(TestRoot::with_processes());
        machine.write("/proc/4242/comm", "qemu\n");
        machine.link("/proc/4242/task/4242/fd/3", "/dev/null");
        machine.write("/proc/4242/map_files/none", "");
        machine.in_group("0000:01:00.0");
        machine
    }

    /// The process has /dev/zero open, under whatever name.
    fn with_open_device(self) -> Self {
        self.link("/elsewhere/node", "/dev/zero");
        let node = self.root().path("/elsewhere/node");
        self.link("/proc/4242/task/4242/fd/4", node.to_str().unwrap());
        self
    }

    fn usage(&self) -> Usage {
        of(&self.root(), &["0000:01:00.0".parse().unwrap()])
    }

    #[track_caller]
    fn assert_used(&self, expected: &str) {
        let usage = self.usage();
        assert!(matches!(usage, Usage::Used(_)), "{usage:?}");
        let facts = facts_of(&usage.findings());
        assert!(facts.contains(expected), "{facts}");
    }

    #[track_caller]
    fn assert_unknown(&self, expected: &str) {
        let usage = self.usage();
        assert!(matches!(usage, Usage::Unknown(_)), "{usage:?}");
        let facts = facts_of(&usage.findings());
        assert!(facts.contains(expected), "{facts}");
    }
}

#[test]
fn a_gpu_that_nobody_has_open_is_free() {
    assert_eq!(Machine::new().usage(), Usage::Free);
    assert_eq!(Machine::new().with_open_device().usage(), Usage::Free);
}

#[test]
fn device_files_below_the_function_are_found_by_number() {
    for dev in [
        "vfio-dev/vfio0/dev",
        "drm/card0/dev",
        "drm/renderD128/dev",
        "sound/card1/pcmC1D3p/dev",
        "usb3/3-1/3-1:1.0/video4linux/video0/dev",
    ] {
        let machine = Machine::new().with_open_device();
        machine.write(&format!("{GPU}/{dev}"), ZERO);
        machine.assert_used("used-by-process 0000:01:00.0 pid=4242 command=qemu");
    }
}

#[test]
fn a_group_is_found_with_and_without_an_iommu() {
    for name in ["7", "noiommu-7"] {
        let machine = Machine::new().with_open_device();
        machine.write(&format!("/sys/class/vfio/{name}/dev"), ZERO);
        machine.assert_used("used-by-process 0000:01:00.0 pid=4242 command=qemu");
    }
    let machine = Machine::new().with_open_device();
    machine.write("/sys/class/vfio/8/dev", ZERO);
    assert_eq!(machine.usage(), Usage::Free);
}

#[test]
fn only_who_has_it_through_vfio_may_hold_up_an_unbind() {
    for (dev, may) in [
        ("/sys/class/vfio/7/dev", true),
        (&*format!("{GPU}/vfio-dev/vfio0/dev"), true),
        (&*format!("{GPU}/drm/card0/dev"), false),
    ] {
        let machine = Machine::new().with_open_device();
        machine.write(dev, ZERO);
        let Usage::Used(users) = machine.usage() else {
            panic!("nobody has {dev}")
        };
        assert!(users.iter().all(|user| user.may_hold_up_unbind() == may), "{users:?}");
    }
}

#[test]
fn a_disk_with_the_number_is_no_character_device() {
    let machine = Machine::new().with_open_device();
    machine.write(&format!("{GPU}/usb3/host0/block/sda/dev"), ZERO);
    assert_eq!(machine.usage(), Usage::Free);
}

#[test]
fn what_is_below_another_function_or_behind_a_link_is_not_its_own() {
    let machine = Machine::new().with_open_device();
    machine.write(&format!("{GPU}/0000:02:00.0/drm/card0/dev"), ZERO);
    machine.write("/sys/class/drm/card0/dev", ZERO);
    machine.link(&format!("{GPU}/subsystem"), "../../../../class/drm");
    assert_eq!(machine.usage(), Usage::Free);
}

#[test]
fn a_free_group_is_opened_and_one_that_is_no_group_is_unknown() {
    let machine = Machine::new();
    machine.write("/sys/class/vfio/7/dev", ZERO);
    machine.assert_unknown("group-use-unknown 0000:01:00.0 file=/dev/vfio/7");
    machine.link("/dev/vfio/7", "/dev/zero");
    assert_eq!(machine.usage(), Usage::Free);
    fs::remove_file(machine.root().path("/dev/vfio/7")).unwrap();
    machine.link("/dev/vfio/7", "/dev/null");
    machine.assert_unknown("it is another device");
}

#[test]
fn kfd_counts_for_amdgpu_and_for_nobody_else() {
    for (driver, used) in [("amdgpu", true), ("vfio-pci", false)] {
        let machine = Machine::new().with_open_device();
        machine.write("/sys/class/kfd/kfd/dev", ZERO);
        machine.on_driver("0000:01:00.0", driver);
        assert_eq!(matches!(machine.usage(), Usage::Used(_)), used, "{driver}");
    }
}

#[test]
fn a_function_on_nvidia_whose_minor_number_is_not_known_is_unknown_use() {
    let machine = Machine::new();
    machine.on_driver("0000:01:00.0", "nvidia");
    machine.assert_unknown("information");
    let information = "/proc/driver/nvidia/gpus/0000:01:00.0/information";
    machine.write(information, "Model: \t NVIDIA A10\n");
    machine.assert_unknown("names no minor number");
    machine.write(information, "Device Minor: \t 0\n");
    assert_eq!(machine.usage(), Usage::Free);
}

#[test]
fn instances_of_a_divided_gpu_are_users() {
    let machine = Machine::new();
    machine.link(&format!("{GPU}/driver"), "../../../bus/pci/drivers/nvidia");
    machine.write(
        "/proc/driver/nvidia/gpus/0000:01:00.0/information",
        "Device Minor: \t 3\n",
    );
    machine.write("/proc/driver/nvidia/capabilities/gpu3/mig/config", "");
    machine.write("/proc/driver/nvidia/capabilities/gpu0/mig/gi1/access", "");
    assert_eq!(machine.usage(), Usage::Free);
    machine.write("/proc/driver/nvidia/capabilities/gpu3/mig/gi1/access", "");
    machine.write("/proc/driver/nvidia/capabilities/gpu3/mig/gi2/access", "");
    machine.assert_used("gpu-instances-in-use 0000:01:00.0 count=2");
}

#[test]
fn virtual_functions_and_mediated_devices_are_users() {
    let machine = Machine::new();
    machine.link(&format!("{GPU}/virtfn0"), "../0000:01:00.4");
    machine.link(&format!("{GPU}/virtfn1"), "../0000:01:00.5");
    machine.assert_used("virtual-functions-in-use 0000:01:00.0 count=2");
    let machine = Machine::new();
    let device = "f4c4a5b0-8f2b-4b0e-9a42-6f0f4dd8a4d1";
    machine.link(&format!("{GPU}/{device}/subsystem"), "../../../../../bus/mdev");
    machine.assert_used(&format!("mediated-device-in-use 0000:01:00.0 name={device}"));
}

#[test]
fn a_file_that_only_another_thread_has_is_found() {
    let machine = Machine::new();
    machine.write(&format!("{GPU}/drm/card0/dev"), ZERO);
    machine.link("/proc/4242/task/4300/fd/9", "/dev/zero");
    machine.assert_used("0000:01:00.0 pid=4242 command=qemu file=/dev/zero how=open");
}

#[test]
fn a_mapped_device_is_found_after_its_file_is_closed() {
    let machine = Machine::new();
    machine.write(&format!("{GPU}/drm/card0/dev"), ZERO);
    machine.link("/proc/4242/map_files/7f00-7f01", "/dev/zero");
    machine.assert_used("used-by-process 0000:01:00.0 pid=4242 command=qemu file=/dev/zero how=mapped");
}

#[test]
fn memory_is_found_though_the_first_thread_has_ended() {
    let machine = Machine::new();
    machine.write(&format!("{GPU}/drm/card0/dev"), ZERO);
    fs::create_dir_all(machine.root().path("/proc/77/task/77")).unwrap();
    fs::create_dir_all(machine.root().path("/proc/77/task/78")).unwrap();
    fs::create_dir_all(machine.root().path("/proc/77/map_files")).unwrap();
    machine.link("/proc/78/map_files/7f00-7f01", "/dev/zero");
    machine.assert_used("0000:01:00.0 pid=77 command=gone file=/dev/zero how=mapped");
}

#[test]
fn a_mapped_bar_is_found() {
    // On a file system without a disk, as sysfs is.
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let bar = memory.path().join("0000:01:00.0/resource1");
    fs::create_dir(bar.parent().unwrap()).unwrap();
    fs::write(&bar, "").unwrap();
    let machine = Machine::new();
    machine.link("/proc/4242/map_files/7f00-7f01", bar.to_str().unwrap());
    machine.assert_used("0000:01:00.0/resource1 how=mapped");
}

#[test]
fn a_namespace_of_its_own_or_a_proc_that_hides_is_unknown() {
    let machine = Machine::new();
    let link = machine.root().path("/proc/1/ns/pid");
    fs::remove_file(&link).unwrap();
    machine.assert_unknown("does not show process 1");
    symlink("pid:[4026532200]", &link).unwrap();
    machine.assert_unknown("pid:[4026532200]");
    let machine = Machine::new();
    fs::remove_dir_all(machine.root().path("/proc")).unwrap();
    machine.assert_unknown("file-unreadable");
}

#[test]
fn a_process_that_cannot_be_looked_at_is_named() {
    let machine = Machine::new();
    // A file in the place of the directory: an error for root, too.
    machine.write("/proc/77/comm", "secret\n");
    machine.write("/proc/77/task/77/fd", "");
    machine.assert_unknown("process-unreadable 77 command=secret");
}

#[test]
fn a_process_that_ends_meanwhile_is_nobody() {
    let machine = Machine::new();
    fs::create_dir_all(machine.root().path("/proc/77/task/77")).unwrap();
    fs::create_dir_all(machine.root().path("/proc/78")).unwrap();
    machine.link("/proc/4242/task/4242/fd/5", "/gone/meanwhile");
    assert_eq!(machine.usage(), Usage::Free);
}

#[test]
fn a_function_that_is_not_there_is_unknown_use() {
    let machine = Machine::new();
    fs::remove_dir_all(machine.root().path(GPU)).unwrap();
    machine.assert_unknown("device-files-unknown 0000:01:00.0 cause=cannot list");
}

#[test]
fn each_process_is_named_before_it_is_looked_at() {
    let machine = Machine::new();
    fs::create_dir_all(machine.root().path("/proc/77/task/77/fd")).unwrap();
    let told = RefCell::new(Vec::new());
    let search = Search {
        root: &machine.root(),
        at: &|process| told.borrow_mut().push(process),
    };
    search.search_processes(&Watch::default(), Holds::Open, &mut Seen::default());
    let mut told = told.into_inner();
    told.sort_unstable();
    assert_eq!(told, [1, 77, 4242]);
}

fn usage_of(said: &[Said], end: &Result<(), Lost>) -> String {
    let mut heard = Heard::default();
    said.iter().cloned().for_each(|said| heard.hear(said));
    facts_of(&heard.usage(end, Duration::from_millis(200)).findings())
}

#[test]
fn a_search_that_hangs_is_unknown_and_says_where() {
    assert_eq!(
        usage_of(&[Said::At(7), Said::At(4242)], &Err(Lost::Blocked)),
        "user-search-timed-out  limit_ms=200 pid=4242"
    );
}

#[test]
fn a_search_without_an_end_is_never_free() {
    let free = [Said::At(7), Said::Found(Usage::Free)];
    assert_eq!(usage_of(&free, &Ok(())), "");
    assert_eq!(
        usage_of(&free, &Err(Lost::Closed)),
        "user-search-lost  pid=7 cause=it closed its output"
    );
    assert_eq!(
        usage_of(&[Said::At(7)], &Ok(())),
        "user-search-lost  pid=7 cause=it ended without a result"
    );
    let error = io::Error::from(io::ErrorKind::OutOfMemory);
    assert_eq!(
        usage_of(&[], &Err(Lost::NotStarted(error))),
        "users-not-searched  cause=out of memory"
    );
}

/// A type with an attribute that postcard cannot read back would lose every answer.
#[test]
fn every_answer_arrives_as_it_was_sent() {
    let function = "0000:01:00.0".parse().unwrap();
    let file = "/dev/vfio/7".to_owned();
    let users = vec![
        User::Process {
            pid: 4242,
            command: "qemu".to_owned(),
            how: Holds::Mapped,
            file: file.clone(),
            interface: Interface::Vfio,
            function,
        },
        User::Hidden { file, function },
        User::VirtualFunctions { function, count: 2 },
        User::Mediated {
            function,
            name: "uuid".to_owned(),
        },
    ];
    let said = [
        Said::At(4242),
        Said::Found(Usage::Free),
        Said::Found(Usage::Used(users)),
        Said::Found(Usage::Unknown(vec![
            Finding::error(id::FILE_UNREADABLE, Subject::file("/proc")).with("cause", "denied"),
        ])),
    ];
    let mut child = scripted(&print(&said, |all| all));
    for said in said {
        let until = Instant::now() + Duration::from_secs(20);
        assert_eq!(child.answer::<Said>(until).unwrap(), said);
    }
}

/// In the real /proc. The device is /dev/full, which nobody holds by chance.
fn real_holders(how: Holds) -> Vec<User> {
    let search = Search {
        root: &Root::system(),
        at: &|_| {},
    };
    let full = DeviceNumber {
        kind: DeviceKind::Character,
        major: 1,
        minor: 7,
    };
    let mut watch = Watch::default();
    watch.add(WatchedDevice {
        number: full,
        function: "0000:01:00.0".parse().unwrap(),
        interface: Interface::Other,
    });
    let mut seen = Seen::default();
    search.search_processes(&watch, how, &mut seen);
    seen.users
}

#[test]
fn a_child_that_holds_a_device_is_found_in_the_real_proc() {
    let mut child = Command::new("sleep")
        .arg("60")
        .stdin(Stdio::from(File::open("/dev/full").unwrap()))
        .spawn()
        .unwrap();
    let users = real_holders(Holds::Open);
    child.kill().unwrap();
    child.wait().unwrap();
    let found = users.iter().any(|user| match user {
        User::Process { pid, file, .. } => *pid == child.id() && file == "/dev/full",
        _ => false,
    });
    assert!(found, "{users:?}");
}
