//! Real builds and boots, without a function behind the ports.

use std::time::{Duration, Instant};

use reseat_vm::artifacts::{Architecture, Bed, Kernel};
use reseat_vm::files::GuestFile;
use reseat_vm::initramfs::ImageSpec;
use reseat_vm::machine::{Among, MachineError, MachineSpec, RootPort, Siblings, VfioUser};

const BOOT: Duration = Duration::from_secs(90);
const SOON: Duration = Duration::from_secs(20);

#[test]
#[ignore = "needs the bed: `cargo xtask test --all` runs it"]
fn a_stock_kernel_boots_through_its_initramfs_to_a_shell() {
    let bed = Bed::open().unwrap();
    let script = GuestFile::executable(
        "/usr/share/initramfs-tools/scripts/init-top/00bed",
        "#!/bin/sh\ncase \"$1\" in prereqs) exit 0 ;; esac\necho early >/run/bed-early\n",
    );
    let image = bed
        .initramfs(&ImageSpec::new(Kernel::Bookworm).files([script]))
        .unwrap();
    let image = bed
        .append_overlay(&image, &[GuestFile::new("/etc/bed-overlay", "x")])
        .unwrap();
    let root = bed
        .root(Architecture::X86_64, &[GuestFile::new("/etc/marker", "in the root\n")])
        .unwrap();
    let port = RootPort {
        id: "rp0".to_owned(),
        slot: 1,
        device: 3,
        among: Among::Alone,
    };
    let spec = MachineSpec::new(&bed, "boot", Kernel::Bookworm, &image, &root).unwrap();
    let started = Instant::now();
    let machine = spec.root_port(port).append("bed.word=1").boot(BOOT).unwrap();
    println!("boot to shell: {:?}", started.elapsed());

    let version = bed.kernel(Kernel::Bookworm).unwrap().version;
    assert_eq!(machine.must("uname -r", SOON).unwrap().trim(), version);
    let command_line = machine.must("cat /proc/cmdline", SOON).unwrap();
    assert!(command_line.contains("bed.word=1"), "{command_line}");
    assert_eq!(machine.must("cat /etc/marker", SOON).unwrap(), "in the root\n");
    assert_eq!(machine.must("cat /run/bed-early", SOON).unwrap(), "early\n");
    let loaded = machine.shell("grep -c ^nouveau /proc/modules", SOON).unwrap();
    assert_eq!(loaded.stdout.trim(), "0", "nouveau is loaded without a GPU");
    machine.console().wait_for("Run /init as init process", SOON).unwrap();
}

#[test]
#[ignore = "needs the bed: `cargo xtask test --all` runs it"]
fn a_hook_that_fails_ends_the_build_with_its_words() {
    let bed = Bed::open().unwrap();
    let hook = GuestFile::executable(
        "/usr/share/initramfs-tools/hooks/refuses",
        "#!/bin/sh\ncase \"$1\" in prereqs) exit 0 ;; esac\necho no such design >&2\nexit 1\n",
    );
    let error = bed
        .initramfs(&ImageSpec::new(Kernel::Bookworm).files([hook]))
        .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("no such design"), "{text}");
    assert!(text.contains("hooks/refuses failed"), "{text}");
}

#[test]
#[ignore = "needs the bed: `cargo xtask test --all` runs it"]
fn a_guest_that_panics_ends_the_wait_with_its_console() {
    let bed = Bed::open().unwrap();
    let image = bed.initramfs(&ImageSpec::new(Kernel::Bookworm)).unwrap();
    let root = bed.root(Architecture::X86_64, &[]).unwrap();
    let spec = MachineSpec::new(&bed, "panic", Kernel::Bookworm, &image, &root).unwrap();
    let error = spec.append("rdinit=/bin/false").boot(BOOT).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("Attempted to kill init"), "{text}");
}

#[test]
#[ignore = "needs the bed: `cargo xtask test --all` runs it"]
fn a_function_that_nobody_serves_is_named_by_qemu() {
    let bed = Bed::open().unwrap();
    let image = bed.initramfs(&ImageSpec::new(Kernel::Bookworm)).unwrap();
    let root = bed.root(Architecture::X86_64, &[]).unwrap();
    let spec = MachineSpec::new(&bed, "unserved", Kernel::Bookworm, &image, &root).unwrap();
    let function = VfioUser {
        id: "gpu0".to_owned(),
        port: "rp0".to_owned(),
        function: 0,
        socket: "/nonexistent/function0.sock".into(),
        siblings: Siblings::None,
    };
    let port = RootPort {
        id: "rp0".to_owned(),
        slot: 1,
        device: 3,
        among: Among::Alone,
    };
    let error = spec.root_port(port).function(function).start().unwrap_err();
    assert!(matches!(error, MachineError::Ended { .. }), "{error}");
    assert!(error.to_string().contains("/nonexistent/function0.sock"), "{error}");
}
