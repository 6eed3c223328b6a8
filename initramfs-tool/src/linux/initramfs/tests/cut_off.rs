//! Installations that end anywhere, by a power cut or a kill.

use super::*;

/// Runs an installation in a process of its own, which a script that the machine runs may kill.
fn install_in_a_process(machine: &Machine) {
    let test = std::env::current_exe().unwrap();
    let name = "linux::initramfs::tests::cut_off::the_installation_that_is_killed";
    let mut command = std::process::Command::new(test);
    command
        .args(["--exact", name, "--include-ignored"])
        .env(MACHINE, machine.root().path("/"));
    let output = command.output().unwrap();
    assert!(!output.status.success(), "it was to be killed");
}

/// Which machine the process installs on.
const MACHINE: &str = "RESEAT_TEST_MACHINE";

#[test]
#[ignore = "is run by the others, in a process of its own"]
fn the_installation_that_is_killed() {
    if let Some(machine) = std::env::var_os(MACHINE) {
        install_initramfs(&Root::at(machine), &InitramfsOptions::default(), &mut |_| {}).unwrap();
    }
}

/// A machine with a menu by GRUB that holds entries of the user's.
fn machine() -> Machine {
    let machine = Machine::new();
    machine.write(
        "/boot/grub/grub.cfg",
        format!("menuentry 'A' {{\n\tinitrd {IMAGE}\n}}\nsource ${{config_directory}}/custom.cfg\n"),
    );
    machine.write("/boot/grub/custom.cfg", "menuentry 'mine' {\n}");
    machine
}

#[test]
fn one_killed_while_it_builds_leaves_nothing_after_a_removal() {
    let machine = machine();
    let before = machine.files();
    machine.script("/usr/sbin/mkinitramfs", "echo half > \"$2\"\nkill -9 $PPID");
    install_in_a_process(&machine);
    assert!(initramfs_status(&machine.root()).unwrap().cut_off);
    let next = machine.root().path("/next");
    machine.script("/usr/sbin/mkinitramfs", &format!("cp {} \"$2\"", next.display()));
    machine.remove().unwrap();
    assert_eq!(machine.files(), before);
}

#[test]
fn one_killed_behind_the_switch_is_taken_back_with_its_entry_in_the_menu() {
    let machine = machine();
    let hook = "/etc/initramfs/post-update.d/loader";
    machine.script(hook, "kill -9 $PPID");
    let before = machine.files();
    install_in_a_process(&machine);
    machine.script(hook, "exit 0");
    let status = initramfs_status(&machine.root()).unwrap();
    assert!(status.cut_off && status.images[0].entry.is_some(), "{status:?}");
    assert_eq!(machine.remove().unwrap().restored, [KERNEL]);
    machine.script(hook, "kill -9 $PPID");
    assert_eq!(machine.files(), before);
}

#[test]
fn one_killed_behind_the_switch_is_gone_on_with_by_another() {
    let machine = machine();
    let original = machine.read(IMAGE);
    let hook = "/etc/initramfs/post-update.d/loader";
    machine.script(hook, "kill -9 $PPID");
    install_in_a_process(&machine);
    machine.script(hook, "exit 0");
    machine.install().unwrap();
    assert!(initramfs_status(&machine.root()).unwrap().is_in_order());
    assert_eq!(machine.read(&format!("{IMAGE}{KEPT_SUFFIX}")), original);
    machine.remove().unwrap();
    assert_eq!(machine.read(IMAGE), original);
}

/// On FAT, an image from before has its name only after the switch.
#[test]
fn an_image_from_before_that_has_not_got_its_name_yet_is_not_built_over() {
    for goes_on in [false, true] {
        let machine = machine();
        let original = machine.read(IMAGE);
        machine.install().unwrap();
        let boot = |name: &str| machine.root().path(format!("{IMAGE}{name}"));
        fs::rename(boot(KEPT_SUFFIX), boot(".reseat-new")).unwrap();
        if goes_on {
            machine.install().unwrap();
            assert_eq!(machine.read(&format!("{IMAGE}{KEPT_SUFFIX}")), original);
        }
        assert_eq!(machine.remove().unwrap().restored, [KERNEL]);
        assert_eq!((machine.read(IMAGE), machine.boot().len()), (original, 2));
    }
}

#[test]
fn the_image_from_before_stays_where_somebody_has_lost_the_other() {
    let machine = machine();
    let original = machine.read(IMAGE);
    machine.install().unwrap();
    fs::remove_file(machine.root().path(IMAGE)).unwrap();
    let removed = machine.remove().unwrap();
    assert_eq!(ids_of(&removed.findings), [id::IMAGE_LOST]);
    assert_eq!(machine.read(&format!("{IMAGE}{KEPT_SUFFIX}")), original);
}

#[test]
fn what_was_kept_for_a_kernel_that_is_gone_goes_with_the_next_installation() {
    let machine = machine();
    machine.install().unwrap();
    fs::remove_file(machine.root().path(IMAGE)).unwrap();
    fs::rename(
        machine.root().path("/lib/modules").join(KERNEL),
        machine.root().path("/lib/modules/6.2"),
    )
    .unwrap();
    machine.write("/proc/sys/kernel/osrelease", "6.2\n");
    machine.write("/boot/initrd.img-6.2", archive(&[("old", 0o100_644, BEFORE)]));
    machine.install().unwrap();
    assert_eq!(
        machine.boot(),
        ["grub", "initrd.img-6.2", "initrd.img-6.2.before-reseat"]
    );
    assert_eq!(machine.read("/boot/grub/custom.cfg"), b"menuentry 'mine' {\n}");
}

#[test]
fn whatever_an_installation_was_cut_off_at_it_is_taken_back() {
    // As far as everything but the switch; the new image lies beside.
    let machine = Machine::new();
    let original = machine.read(IMAGE);
    machine.install().unwrap();
    let built = machine.read(IMAGE);
    machine.write(IMAGE, &original);
    machine.write(&format!("{IMAGE}.reseat-new"), &built);
    let record = String::from_utf8(machine.read("/var/lib/reseat/initramfs/record.json")).unwrap();
    let cut_off = record.replace("\"complete\": true", "\"complete\": false");
    assert_ne!(record, cut_off);
    machine.write("/var/lib/reseat/initramfs/record.json", cut_off);
    assert!(initramfs_status(&machine.root()).unwrap().cut_off);
    let removed = machine.remove().unwrap();
    assert_eq!((removed.restored, removed.rebuilt), (Vec::new(), Vec::new()));
    assert_eq!((machine.read(IMAGE), machine.boot().len()), (original, 1));
}
