//! Removals.

use super::*;

#[test]
fn an_image_that_is_not_ours_any_more_is_built_anew_and_not_replaced_by_an_old_one() {
    let machine = Machine::new();
    machine.install().unwrap();
    machine.write(
        IMAGE,
        [image(b"program"), archive(&[("newer", 0o100_644, b"")])].concat(),
    );
    // What the builder makes still has it: then nothing is changed.
    assert!(matches!(machine.remove(), Err(InitramfsError::StillThere { .. })));
    assert!(initramfs_status(&machine.root()).unwrap().is_in_order());
    let without = archive(&[("newer", 0o100_644, b"")]);
    machine.write("/next", &without);
    assert_eq!(machine.remove().unwrap().rebuilt, [KERNEL]);
    assert_eq!((machine.read(IMAGE), machine.boot().len()), (without, 1));
}

#[test]
fn what_somebody_has_changed_is_not_removed_without_force_and_a_copy_stays() {
    let machine = Machine::new();
    machine.install().unwrap();
    let file = Builder::InitramfsTools.files()[0].path;
    machine.write(file, "mine");
    assert!(matches!(machine.remove(), Err(InitramfsError::Changed(path)) if path.as_path() == Path::new(file)));
    assert_eq!(machine.read(file), b"mine");
    let removed = remove_initramfs(&machine.root(), true, &mut |_| {}).unwrap();
    assert_eq!(ids_of(&removed.findings), [id::BUILDER_FILE_COPIED]);
    assert_eq!(
        machine.read("/var/lib/reseat/initramfs/usr-share-initramfs-tools-hooks-reseat"),
        b"mine"
    );
}

#[test]
fn an_image_of_another_kernel_that_cannot_be_looked_into_is_left_and_named() {
    let machine = Machine::new();
    machine.install().unwrap();
    machine.write("/lib/modules/5.10/modules.builtin", "");
    machine.write("/boot/initrd.img-5.10", "damaged");
    let removed = machine.remove().unwrap();
    assert_eq!(removed.restored.len(), 1, "{removed:?}");
    assert_eq!(ids_of(&removed.findings), [id::IMAGE_LEFT_UNREAD]);
    assert_eq!(machine.read("/boot/initrd.img-5.10"), b"damaged");
}

#[test]
fn a_record_that_cannot_be_read_is_said_and_is_no_dead_end() {
    let machine = Machine::new();
    machine.install().unwrap();
    machine.write(
        "/var/lib/reseat/initramfs/record.json",
        "{\"schema\":\"reseat.initramfs/9\"}",
    );
    let status = initramfs_status(&machine.root()).unwrap();
    assert!(!status.is_in_order());
    assert_eq!(status.record_problem.unwrap().remedy, Some(id::MOVE_RECORD_AWAY));
    assert!(matches!(machine.remove(), Err(InitramfsError::Record { .. })));
    fs::remove_file(machine.root().path("/var/lib/reseat/initramfs/record.json")).unwrap();
    let without = archive(&[("newer", 0o100_644, b"")]);
    machine.write("/next", &without);
    let removed = machine.remove().unwrap();
    // Whose it is nobody knows.
    assert_eq!(removed.findings[0].id, id::KEPT_IMAGE_UNKNOWN);
    assert!(removed.findings[0].subject.name.ends_with(KEPT_SUFFIX), "{removed:?}");
    assert_eq!((machine.read(IMAGE), machine.boot().len()), (without, 2));
}

#[test]
fn a_builder_that_is_gone_is_no_dead_end() {
    let machine = Machine::new();
    machine.install().unwrap();
    machine.write(IMAGE, image(b"by dracut"));
    fs::remove_file(machine.root().path("/usr/sbin/mkinitramfs")).unwrap();
    let without = archive(&[("usr/lib/dracut/build-parameter.txt", 0o100_644, b"")]);
    machine.write("/next", &without);
    let next = machine.root().path("/next");
    machine.script("/usr/bin/dracut", &format!("cp {} \"$2\"", next.display()));
    assert_eq!(machine.remove().unwrap().rebuilt, [KERNEL]);
    assert_eq!(machine.read(IMAGE), without);
}

/// Somebody has removed the files by hand, and what was written down of an installation: the image has the claim all the same.
#[test]
fn an_image_with_a_claim_of_which_nothing_else_is_left_is_built_anew() {
    let machine = Machine::new();
    machine.write(IMAGE, image(b"program"));
    let without = archive(&[("newer", 0o100_644, b"")]);
    machine.write("/next", &without);
    assert_eq!(machine.remove().unwrap().rebuilt, [KERNEL]);
    assert_eq!((machine.read(IMAGE), machine.boot().len()), (without, 1));
    assert!(matches!(machine.remove(), Err(InitramfsError::NothingThere)));
}
