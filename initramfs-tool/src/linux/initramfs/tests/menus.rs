//! The boot menus of machines made of files.

use super::*;

const ENTRIES: &str = "/efi/loader/entries";

fn grub(machine: &Machine) {
    machine.write(
        "/boot/grub/grub.cfg",
        format!("menuentry 'A' {{\n\tinitrd {IMAGE}\n}}\nsource ${{config_directory}}/custom.cfg\n"),
    );
}

fn entry(machine: &Machine) -> Option<PathBuf> {
    let installed = machine.install().unwrap();
    installed.record.unwrap().images.remove(0).entry
}

#[test]
fn a_file_of_the_user_comes_back_byte_for_byte_and_with_its_permissions() {
    for content in [&b""[..], b"menuentry 'caf\xe9' {\n}", b"menuentry 'mine' {\n}\n"] {
        let machine = Machine::new();
        grub(&machine);
        machine.write("/boot/grub/custom.cfg", content);
        let path = machine.root().path("/boot/grub/custom.cfg");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let before = machine.files();
        assert_eq!(entry(&machine).unwrap(), Path::new("/boot/grub/custom.cfg"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        machine.remove().unwrap();
        assert_eq!(machine.files(), before);
    }
}

/// Debian's package of systemd-boot, and Proxmox, have the boot loader's partition get a copy of the image; the kept one is
/// not there.
#[test]
fn no_entry_is_made_that_would_lead_nowhere() {
    let copied = "/efi/debian/6.1.0-50-amd64/initrd.img-6.1.0-50-amd64";
    let machine = Machine::new();
    machine.write(copied, BEFORE);
    let boots = format!("title A\ninitrd {}\n", copied.trim_start_matches("/efi"));
    machine.write(&format!("{ENTRIES}/a.conf"), boots);
    assert_eq!(entry(&machine), None);
    assert!(!machine.has(&format!("{ENTRIES}/a~before-reseat.conf")));

    let machine = Machine::new();
    grub(&machine);
    machine.write("/etc/kernel/proxmox-boot-uuids", "ABCD-EF01\n");
    assert_eq!(entry(&machine), None);
    assert!(!machine.has("/boot/grub/custom.cfg"));
}

#[test]
fn a_copy_that_nobody_has_made_anew_is_said() {
    let copied = "/efi/debian/6.1.0-50-amd64/initrd.img-6.1.0-50-amd64";
    let machine = Machine::new();
    machine.write(copied, machine.read(IMAGE));
    let boots = format!("title A\ninitrd {}\n", copied.trim_start_matches("/efi"));
    machine.write(&format!("{ENTRIES}/a.conf"), boots);
    let is_outdated = |finding: &Finding| finding.id == id::BOOT_COPY_OUTDATED && finding.subject.name == copied;
    let found = machine.install().unwrap().findings;
    assert!(found.iter().any(is_outdated), "{found:?}");
    let status = initramfs_status(&machine.root()).unwrap();
    assert_eq!(status.images[0].other_copies, [Path::new(copied)]);
    assert!(!status.is_in_order());
    // As Debian's package of systemd-boot does after a build.
    let at = |path: &str| machine.root().path(path).display().to_string();
    machine.script(
        "/etc/initramfs/post-update.d/systemd-boot",
        &format!("cp \"$2\" {}", at(copied)),
    );
    let found = machine.install().unwrap().findings;
    assert!(!found.iter().any(is_outdated), "{found:?}");
    assert!(initramfs_status(&machine.root()).unwrap().is_in_order());
    machine.remove().unwrap();
    assert_eq!(machine.read(copied), machine.read(IMAGE));
}

#[test]
fn an_entry_in_another_encoding_is_passed_over() {
    let machine = Machine::new();
    machine.write(&format!("{ENTRIES}/a.conf"), b"title caf\xe9\n");
    machine.write(&format!("{ENTRIES}/b.conf"), format!("title B\ninitrd {IMAGE}\n"));
    assert_eq!(
        entry(&machine).unwrap(),
        Path::new(ENTRIES).join("b~before-reseat.conf")
    );
}

#[test]
fn an_entry_moves_with_the_boot_loader() {
    let machine = Machine::new();
    grub(&machine);
    assert_eq!(entry(&machine).unwrap(), Path::new("/boot/grub/custom.cfg"));
    machine.write(&format!("{ENTRIES}/a.conf"), format!("title A\ninitrd {IMAGE}\n"));
    assert_eq!(
        entry(&machine).unwrap(),
        Path::new(ENTRIES).join("a~before-reseat.conf")
    );
    assert!(!machine.has("/boot/grub/custom.cfg"));
    machine.remove().unwrap();
    assert!(!machine.has(&format!("{ENTRIES}/a~before-reseat.conf")));
}
