//! The images that are kept.

use super::*;

#[test]
fn a_second_installation_keeps_the_image_without_the_claim() {
    let machine = Machine::new();
    let original = machine.read(IMAGE);
    machine.install().unwrap();
    machine.write("/usr/sbin/reseat-claim", "newer");
    machine.write("/next", image(b"newer"));
    machine.install().unwrap();
    assert_eq!(machine.read(IMAGE), image(b"newer"));
    assert_eq!(machine.boot().len(), 2);
    machine.remove().unwrap();
    assert_eq!((machine.read(IMAGE), machine.boot().len()), (original, 1));
}

#[test]
fn an_image_that_the_user_has_kept_is_not_lost() {
    // By hand, as the steps say that are printed; then by the program.
    let machine = Machine::new();
    let original = machine.read(IMAGE);
    let kept = format!("{IMAGE}{KEPT_SUFFIX}");
    machine.write(&kept, &original);
    machine.write(IMAGE, image(b"by hand"));
    machine.install().unwrap();
    assert_eq!(machine.read(&kept), original);
    // How old it is, nobody knows.
    let without = archive(&[("newer", 0o100_644, b"")]);
    machine.write("/next", &without);
    assert_eq!(machine.remove().unwrap().rebuilt, [KERNEL]);
    assert_eq!((machine.read(IMAGE), machine.boot().len()), (without, 1));

    // One of which nobody knows what it is.
    let machine = Machine::new();
    machine.write(&kept, "somebody's");
    let found = machine.install().unwrap().findings;
    let taken = found.iter().find(|finding| finding.id == id::KEPT_NAME_TAKEN).unwrap();
    assert_eq!(taken.evidence.get("new_name"), Some(format!("{kept}.1").as_str()));
    assert_eq!(machine.read(&kept), original);
    assert_eq!(machine.read(&format!("{kept}.1")), b"somebody's");
}

#[test]
fn an_installation_that_fails_late_leaves_what_an_earlier_one_has_kept() {
    let machine = Machine::new();
    machine.install().unwrap();
    // Built without the claim since, by somebody else.
    machine.write(IMAGE, archive(&[("newer", 0o100_644, b"")]));
    let before = machine.files();
    machine.script("/etc/initramfs/post-update.d/loader", "exit 1");
    machine.install().unwrap_err();
    fs::remove_dir_all(machine.root().path("/etc/initramfs")).unwrap();
    assert_eq!(machine.files(), before);
    machine.install().unwrap();
    assert_eq!(machine.boot().len(), 2);
}

#[test]
fn an_image_from_before_an_update_does_not_come_back_after_a_second_installation() {
    let machine = Machine::new();
    machine.install().unwrap();
    // The distribution's update; then rules change, and it is installed again.
    machine.write(
        IMAGE,
        [image(b"program"), archive(&[("newer", 0o100_644, b"")])].concat(),
    );
    machine.install().unwrap();
    let without = archive(&[("newest", 0o100_644, b"")]);
    machine.write("/next", &without);
    assert_eq!(machine.remove().unwrap().rebuilt, [KERNEL]);
    assert_eq!((machine.read(IMAGE), machine.boot().len()), (without, 1));
}
