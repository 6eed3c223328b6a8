//! What is found out about machines.

use super::*;

#[test]
fn a_hidden_path_to_a_disk_is_none_and_what_crypttab_says_counts() {
    let machine = Machine::new();
    // One of the paths to an NVMe disk, which has no node in /dev.
    machine.write("/sys/class/block/nvme0c0n1/size", "2048\n");
    machine.write("/sys/class/block/nvme0c0n1/hidden", "1\n");
    assert_eq!(machine.facts().disks, []);
    machine.write("/usr/local/bin/key", "#!/bin/sh\ntpm2_unseal -p pcr:sha256:4,7\n");
    machine.write(
        "/etc/crypttab",
        "a UUID=1 none luks,tpm2-device=auto\nb UUID=2 /key tpm2-device=auto,tpm2-pcrs=7+9\n\
         c UUID=3 none luks,keyscript=/usr/local/bin/key\nd UUID=4 none luks,keyscript=decrypt_keyctl\n",
    );
    let found = machine.facts().disks;
    let paths: Vec<_> = found.iter().map(|disk| disk.path.display().to_string()).collect();
    assert_eq!(paths, ["UUID=2", "UUID=3"]);
    assert_eq!(found[0].binding, Ok(Binding::Registers("/etc/crypttab", vec![9])));
    assert!(found[1].binding.is_err());
}

#[test]
fn what_unifies_images_is_found_where_it_counts() {
    let machine = Machine::new();
    machine.write("/usr/lib/kernel/install.conf", "layout=uki\n");
    assert_eq!(machine.facts().unified.len(), 1);
    // The administrator's takes its place, and what is beside it comes after.
    machine.write("/etc/kernel/install.conf", "layout=bls\n");
    assert_eq!(machine.facts().unified, [""; 0]);
    machine.write("/etc/kernel/install.conf.d/10-uki.conf", "layout = uki\n");
    assert_eq!(
        machine.facts().unified,
        ["/etc/kernel/install.conf.d/10-uki.conf says layout=uki"]
    );
    fs::remove_dir_all(machine.root().path("/etc/kernel")).unwrap();
    fs::remove_dir_all(machine.root().path("/usr/lib/kernel")).unwrap();
    machine.write("/usr/lib/dracut/dracut.conf.d/uki.conf", "uefi=\"yes\"\n");
    assert_eq!(
        machine.facts().unified,
        ["/usr/lib/dracut/dracut.conf.d/uki.conf says uefi=yes"]
    );
    machine.write("/etc/dracut.conf.d/uki.conf", "uefi=\"no\"\n");
    assert_eq!(machine.facts().unified, [""; 0]);
    // It is a script, in which anything may follow.
    for setting in [
        "uefi=yes # sbctl signs it",
        "uefi='yes'; hostonly=yes",
        "\tuefi=\"yes\"\t# one file",
    ] {
        machine.write("/etc/dracut.conf.d/uki.conf", format!("{setting}\n"));
        let expected = ["/etc/dracut.conf.d/uki.conf says uefi=yes"];
        assert_eq!(machine.facts().unified, expected, "{setting}");
    }
}

/// A comment in somebody's own encoding is no reason to overlook what stands beside it.
#[test]
fn what_unifies_images_is_found_in_files_of_any_encoding() {
    for (file, text) in [
        ("/etc/kernel/install.conf", "layout=uki\n"),
        ("/etc/dracut.conf.d/uki.conf", "uefi=yes\n"),
        (
            "/etc/mkinitcpio.d/linux.preset",
            "default_uki=/efi/EFI/Linux/arch.efi\n",
        ),
    ] {
        let machine = Machine::new();
        machine.write(file, "");
        let text = [b"# caf\xe9\n", text.as_bytes()].concat();
        fs::write(machine.root().path(file), text).unwrap();
        let found = machine.facts().unified;
        assert!(found.iter().any(|sign| sign.starts_with(file)), "{file}: {found:?}");
    }
}

#[test]
fn kernel_install_may_call_a_machine_otherwise_than_by_its_id() {
    for (file, text) in [
        ("/etc/kernel/entry-token", "mine\n"),
        ("/etc/machine-id", "mine\n"),
        ("/etc/os-release", "NAME=X\nID=\"mine\"\n"),
    ] {
        let machine = Machine::new();
        fs::remove_file(machine.root().path(IMAGE)).unwrap();
        machine.write(file, text);
        let image = format!("/efi/mine/{KERNEL}/initrd");
        machine.write(&image, BEFORE);
        let kernel = machine.facts().kernels.remove(0);
        assert_eq!(kernel.image.unwrap().path, Path::new(&image), "{file}");
    }
}

#[test]
fn sdbootutil_counts_where_it_serves_the_boot_loader() {
    let machine = Machine::new();
    machine.write("/usr/bin/sdbootutil", "");
    assert!(!machine.facts().by_sdbootutil);
    machine.write(
        "/etc/sysconfig/bootloader",
        "# LOADER_TYPE=\"systemd-boot\"\nLOADER_TYPE=\"grub2-efi\"\n",
    );
    assert!(!machine.facts().by_sdbootutil);
    machine.write("/etc/sysconfig/bootloader", "LOADER_TYPE=\"grub2-bls\"\n");
    assert!(machine.facts().by_sdbootutil);
}
