//! What is found out about machines.

use super::*;

fn setting(file: &str, setting: &'static str) -> UnifiedSign {
    UnifiedSign::Setting {
        file: file.into(),
        setting,
    }
}

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
    assert_eq!(machine.facts().unified, []);
    machine.write("/etc/kernel/install.conf.d/10-uki.conf", "layout = uki\n");
    assert_eq!(
        machine.facts().unified,
        [setting("/etc/kernel/install.conf.d/10-uki.conf", "layout=uki")]
    );
    fs::remove_dir_all(machine.root().path("/etc/kernel")).unwrap();
    fs::remove_dir_all(machine.root().path("/usr/lib/kernel")).unwrap();
    machine.write("/usr/lib/dracut/dracut.conf.d/uki.conf", "uefi=\"yes\"\n");
    assert_eq!(
        machine.facts().unified,
        [setting("/usr/lib/dracut/dracut.conf.d/uki.conf", "uefi=yes")]
    );
    machine.write("/etc/dracut.conf.d/uki.conf", "uefi=\"no\"\n");
    assert_eq!(machine.facts().unified, []);
    // It is a script, in which anything may follow.
    for setting in [
        "uefi=yes # sbctl signs it",
        "uefi='yes'; hostonly=yes",
        "\tuefi=\"yes\"\t# one file",
    ] {
        machine.write("/etc/dracut.conf.d/uki.conf", format!("{setting}\n"));
        let expected = [self::setting("/etc/dracut.conf.d/uki.conf", "uefi=yes")];
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
        assert!(
            found.iter().any(|sign| sign.to_string().contains(file)),
            "{file}: {found:?}"
        );
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

#[test]
fn deployed_and_unified_systems_are_seen() {
    let machine = Machine::new();
    assert_eq!((machine.facts().deployed, machine.facts().unified), (None, Vec::new()));
    machine.write("/boot/efi/EFI/Linux/fedora-6.1.efi", "");
    machine.write("/etc/kernel/install.conf", "# layout=bls\nlayout = uki\n");
    machine.write(
        "/etc/mkinitcpio.d/linux.preset",
        "#default_uki=\"/a.efi\"\nfallback_uki=\"/efi/EFI/Linux/b.efi\"\n",
    );
    let variable = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
    machine.write(variable, [6, 0, 0, 0, 1]);
    let facts = machine.facts();
    let expected = [
        UnifiedSign::Image("/boot/efi/EFI/Linux/fedora-6.1.efi".into()),
        setting("/etc/kernel/install.conf", "layout=uki"),
        UnifiedSign::Preset("/etc/mkinitcpio.d/linux.preset".into()),
    ];
    assert_eq!((facts.unified.as_slice(), facts.secure_boot), (&expected[..], true));
    assert_eq!(ids_of(&machine.fails_to_install()), [id::UNIFIED_IMAGES_SIGNED]);
    machine.write("/run/ostree-booted", "");
    assert_eq!(machine.facts().deployed, Some(Deployed::Ostree));
    machine.write("/usr/bin/bootc", "");
    assert_eq!(machine.facts().deployed, Some(Deployed::Bootc));
    assert!(!machine.has("/var/lib/reseat"), "something was written");
}

#[test]
fn arch_names_its_images_by_the_package_and_older_versions_read_no_drop_ins() {
    let machine = Machine::empty();
    machine.write("/proc/sys/kernel/osrelease", "6.9-arch1");
    machine.write("/usr/lib/modules/6.9-arch1/pkgbase", "linux\n");
    machine.write("/boot/initramfs-linux.img", BEFORE);
    machine.write("/usr/bin/mkinitcpio", "_d_config=\"${_f_config}.d\"\n");
    let preset =
        "ALL_kver=\"/boot/vmlinuz-linux\"\n#ALL_config=\"/etc/mkinitcpio.conf\"\ndefault_image=\"/boot/custom.img\"\n";
    machine.write("/etc/mkinitcpio.d/linux.preset", preset);
    let image = |machine: &Machine| machine.facts().kernels[0].image.as_ref().unwrap().path.clone();
    assert_eq!(image(&machine), PathBuf::from("/boot/initramfs-linux.img"));
    machine.write("/boot/custom.img", BEFORE);
    assert_eq!(image(&machine), PathBuf::from("/boot/custom.img"));
    assert_eq!(
        (machine.facts().builders, machine.facts().no_drop_ins),
        (vec![Builder::Mkinitcpio], None)
    );
    machine.write(
        "/etc/mkinitcpio.d/linux.preset",
        preset.replace("#ALL_config=\"/etc/mkinitcpio.conf", "ALL_config=\"/etc/mine.conf"),
    );
    assert_eq!(
        machine.facts().no_drop_ins,
        Some(NoDropIns::ConfigurationNamed("/etc/mkinitcpio.d/linux.preset".into()))
    );
    machine.write("/usr/bin/mkinitcpio", "#!/bin/bash\n");
    assert_eq!(machine.facts().no_drop_ins, Some(NoDropIns::TooOld));
}

#[test]
fn encrypted_disks_are_found_and_what_cannot_be_read_is_unknown() {
    let machine = Machine::new();
    let disk = |name: &str, content: &[u8]| {
        machine.write(&format!("/sys/class/block/{name}/size"), "2048\n");
        machine.write(&format!("/dev/{name}"), content);
    };
    let luks2 = |text: &str| {
        let mut head = b"LUKS\xba\xbe\0\x02\0\0\0\0\0\0\x40\0".to_vec();
        head.resize(4096, 0);
        head.extend(text.bytes());
        head.resize(0x4000, 0);
        head
    };
    disk("sda", &[0; 512]);
    disk("sda1", b"short");
    disk("sda2", &luks2(r#"{"tokens":{}}"#));
    disk(
        "sda3",
        &luks2(r#"{"tokens":{"0":{"type":"systemd-tpm2","tpm2-pcrs":[4]}}}"#),
    );
    disk("sdb", &luks2(r#"{"tokens":{}}"#)[..5000]);
    machine.write("/sys/class/block/sdc/size", "2048\n");
    machine.write("/sys/class/block/sr0/size", "0\n");
    machine.write(
        "/etc/crypttab",
        "# a\nroot UUID=1 none luks\ndata /dev/sdx none luks,header=/head\n",
    );
    let found = machine.facts().disks;
    let binding = |name: &str| {
        let named: Vec<_> = found.iter().filter(|disk| disk.path == Path::new(name)).collect();
        named.first().map(|disk| disk.binding.clone())
    };
    assert_eq!(binding("/dev/sda2"), Some(Ok(Binding::None)));
    assert_eq!(
        binding("/dev/sda3"),
        Some(Ok(Binding::Registers("systemd-cryptenroll", vec![4])))
    );
    for unknown in ["/dev/sdb", "/dev/sdc", "/dev/sdx"] {
        assert!(matches!(binding(unknown), Some(Err(_))), "{unknown}");
    }
    assert_eq!(found.len(), 5, "{found:?}");
    assert!(matches!(machine.install(), Err(InitramfsError::Refused(refusals)) if refusals.len() == 4));
    fs::remove_dir_all(machine.root().path("/sys")).unwrap();
    assert!(machine.facts().disks_unknown.is_some());
}
