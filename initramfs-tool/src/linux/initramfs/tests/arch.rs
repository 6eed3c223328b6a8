//! Machines with mkinitcpio, by a stand-in for it.

use super::*;

const ARCH_KERNEL: &str = "6.9-arch1";
const DEFAULT: &str = "/boot/initramfs-linux.img";
const FALLBACK: &str = "/boot/initramfs-linux-fallback.img";
const PRESET: &str = "/etc/mkinitcpio.d/linux.preset";

/// One whose mkinitcpio builds with the claim as long as its hook is there, and writes down how it was called.
fn machine() -> Machine {
    let machine = Machine::empty();
    machine.write("/proc/sys/kernel/osrelease", ARCH_KERNEL);
    machine.write("/usr/lib/modules/6.9-arch1/pkgbase", "linux\n");
    machine.write(
        "/usr/lib/modules/6.9-arch1/modules.builtin",
        "kernel/drivers/vfio/pci/vfio-pci.ko\n",
    );
    machine.write("/sys/class/block/none/size", "0\n");
    machine.write("/usr/sbin/reseat-claim", "program");
    machine.write(
        PRESET,
        format!(
            "PRESETS=('default' 'fallback')\nALL_kver=\"/boot/vmlinuz-linux\"\ndefault_image=\"{DEFAULT}\"\n\
             default_options=\"-A encrypt\"\nfallback_image=\"{FALLBACK}\"\nfallback_options=\"-S autodetect\"\n"
        ),
    );
    machine.write(DEFAULT, archive(&[("old", 0o100_644, BEFORE)]));
    machine.write(FALLBACK, archive(&[("old fallback", 0o100_644, BEFORE)]));
    let at = |path: &str| machine.root().path(path).display().to_string();
    machine.script(
        "/usr/bin/mkinitcpio",
        &format!(
            "# _d_config\necho \"$@\" >> {}\nif [ -e {} ]; then cp {} \"$4\"; else cp {} \"$4\"; fi",
            at("/called"),
            at("/usr/lib/initcpio/hooks/reseat"),
            at("/with"),
            at("/without")
        ),
    );
    machine.write("/with", with_claim());
    machine.write("/without", archive(&[("buildconfig", 0o100_644, b"")]));
    machine
}

fn with_claim() -> Vec<u8> {
    archive(&[
        ("buildconfig", 0o100_644, b""),
        ("config", 0o100_644, b"EARLYHOOKS=\"reseat udev\"\n"),
        ("hooks/reseat", 0o100_755, b""),
        ("usr/bin/reseat-claim", 0o100_755, b"program"),
    ])
}

fn calls(machine: &Machine) -> Vec<String> {
    let text = String::from_utf8(machine.read("/called")).unwrap();
    text.lines()
        .map(|line| line.replace(&machine.root().path("/").display().to_string(), "/"))
        .collect()
}

#[test]
fn an_image_is_built_with_what_its_preset_says() {
    let machine = machine();
    machine.install().unwrap();
    let new = format!("{DEFAULT}.reseat-new");
    assert_eq!(calls(&machine), [format!("-k {ARCH_KERNEL} -g {new} -A encrypt")]);
    assert!(initramfs_status(&machine.root()).unwrap().is_in_order());
    let preset = String::from_utf8(machine.read(PRESET)).unwrap();
    machine.write(PRESET, preset.replace("-A encrypt", "-A $extra"));
    let refused = machine.fails_to_install();
    assert_eq!(
        refused[0].evidence.get("option"),
        Some("default_options"),
        "{refused:?}"
    );
}

/// A post hook that copies what it is told of, as those for boot loaders' partitions do.
#[test]
fn post_hooks_hear_of_the_final_image_and_of_no_other() {
    let machine = machine();
    let at = |path: &str| machine.root().path(path).display().to_string();
    machine.script(
        "/usr/bin/mkinitcpio",
        &format!(
            "# _d_config --nopost\necho \"$@\" >> {}\ncp {} \"$4\"\n\
             case \"$*\" in *--nopost*) ;; *) {} {} \"$4\" '' ;; esac",
            at("/called"),
            at("/with"),
            at("/usr/lib/initcpio/post/10-copy"),
            at("/boot/vmlinuz-linux")
        ),
    );
    machine.write("/boot/vmlinuz-linux", "kernel");
    machine.write("/efi/linux/initrd", "without");
    machine.script(
        "/usr/lib/initcpio/post/10-copy",
        &format!(
            "mkdir -p {efi}\ncp \"$2\" {efi}/\necho \"$KERNELVERSION $1 $2 ($3)\" >> {}",
            at("/told"),
            efi = at("/efi/linux")
        ),
    );
    // One of the administrator's takes the place of the distribution's.
    machine.script(
        "/usr/lib/initcpio/post/20-sign",
        &format!("echo theirs >> {}", at("/told")),
    );
    machine.script("/etc/initcpio/post/20-sign", &format!("echo ours >> {}", at("/told")));
    machine.install().unwrap();
    let told = String::from_utf8(machine.read("/told")).unwrap();
    let expected = format!("{ARCH_KERNEL} {} {} ()\nours\n", at("/boot/vmlinuz-linux"), at(DEFAULT));
    assert_eq!(told, expected);
    assert_eq!(machine.read("/efi/linux/initramfs-linux.img"), machine.read("/with"));
    assert!(!machine.has(&format!("/efi/linux/initramfs-linux.img{UNFINISHED_SUFFIX}")));
    let is_in_order = || initramfs_status(&machine.root()).unwrap().is_in_order();
    assert!(is_in_order());
    // Somebody puts the one from before back, where the boot loader has its own.
    machine.write("/efi/linux/initramfs-linux.img", machine.read("/without"));
    assert!(!is_in_order());
    let status = initramfs_status(&machine.root()).unwrap();
    assert_eq!(ids_of(&status.images[0].findings()), [id::BOOT_COPY_OUTDATED]);
}

#[test]
fn a_preset_that_names_the_default_configuration_is_no_obstacle() {
    let machine = machine();
    let preset = String::from_utf8(machine.read(PRESET)).unwrap();
    machine.write(PRESET, format!("ALL_config=\"/etc/mkinitcpio.conf\"\n{preset}"));
    assert_eq!(machine.facts().no_drop_ins, None);
    machine.write(PRESET, format!("ALL_config=\"/etc/mine.conf\"\n{preset}"));
    assert_eq!(
        machine.facts().no_drop_ins,
        Some(NoDropIns::ConfigurationNamed(PRESET.into()))
    );
}

/// A package's upgrade has both of its images built anew, with the hook that is there.
#[test]
fn the_fallback_image_is_taken_back_too() {
    let machine = machine();
    machine.install().unwrap();
    machine.write(FALLBACK, with_claim());
    let removed = machine.remove().unwrap();
    assert_eq!(
        (removed.restored.as_slice(), removed.findings.len()),
        (&[ARCH_KERNEL.to_owned()][..], 1)
    );
    assert_eq!(machine.read(FALLBACK), machine.read("/without"));
    let last = calls(&machine).pop().unwrap();
    assert!(last.ends_with("-fallback.img.reseat-new -S autodetect"), "{last}");
    assert_eq!(machine.boot().len(), 2);
}

/// The modules of the kernel that runs are kept over an upgrade by some; the image is the new kernel's.
#[test]
fn the_image_of_another_kernel_is_not_built_over() {
    let machine = machine();
    machine.write("/usr/lib/modules/6.10-arch1/pkgbase", "linux\n");
    let original = machine.read(DEFAULT);
    let refused = machine.fails_to_install();
    assert_eq!(ids_of(&refused), [id::IMAGE_SHARED]);
    let kernels = ["kernel", "other"].map(|fact| refused[0].evidence.get(fact));
    assert_eq!(kernels, [Some("6.9-arch1"), Some("6.10-arch1")]);
    assert_eq!(machine.read(DEFAULT), original);
}

/// An upgrade of the kernel keeps the image's name, and removes the modules of the one before.
#[test]
fn after_an_upgrade_of_the_kernel_it_is_taken_out_of_the_new_ones_image() {
    for again in [false, true] {
        let machine = machine();
        machine.install().unwrap();
        fs::remove_dir_all(machine.root().path("/usr/lib/modules/6.9-arch1")).unwrap();
        machine.write("/usr/lib/modules/6.10-arch1/pkgbase", "linux\n");
        machine.write(
            "/usr/lib/modules/6.10-arch1/modules.builtin",
            "kernel/drivers/vfio/pci/vfio-pci.ko\n",
        );
        machine.write("/proc/sys/kernel/osrelease", "6.10-arch1");
        let newer = [with_claim(), archive(&[("newer", 0o100_644, b"")])].concat();
        machine.write(DEFAULT, &newer);
        if again {
            // The image that was kept is the old kernel's.
            let record = machine.install().unwrap().record.unwrap();
            assert_eq!(
                (record.images.len(), record.images[0].kernel.as_str()),
                (1, "6.10-arch1")
            );
            assert_eq!(machine.read(&format!("{DEFAULT}{KEPT_SUFFIX}")), newer);
        }
        assert_eq!(machine.remove().unwrap().rebuilt, ["6.10-arch1"]);
        assert!(calls(&machine).pop().unwrap().starts_with("-k 6.10-arch1 "));
        assert_eq!(
            (machine.read(DEFAULT), machine.boot().len()),
            (machine.read("/without"), 2)
        );
    }
}

/// What mkinitcpio does with the files of its configuration: one behind the other, then an array of what is none.
fn hooks_of(configuration: &str) -> String {
    let own = Builder::Mkinitcpio
        .files()
        .iter()
        .find(|file| file.path.ends_with(".conf"))
        .unwrap();
    let script = format!(
        "{configuration}{}\n[[ ${{HOOKS@a}} == *a* ]] && echo \"${{HOOKS[*]}}\"",
        own.content
    );
    let output = std::process::Command::new("bash")
        .args(["-euc", &script])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[test]
fn whatever_form_hooks_has_the_claim_comes_into_it() {
    let with = "base reseat udev autodetect";
    assert_eq!(hooks_of("HOOKS=(base udev autodetect)\n"), with);
    assert_eq!(hooks_of("HOOKS=(base # first\n  udev\n\tautodetect # last\n)\n"), with);
    // As it was before version 24, which is still understood.
    assert_eq!(hooks_of("HOOKS=\"base udev autodetect\"\n"), with);
    // Without a line feed at its end.
    assert_eq!(hooks_of("HOOKS=(base udev autodetect)"), with);
    assert_eq!(hooks_of("HOOKS=(base reseat udev autodetect)\n"), with);
    assert_eq!(hooks_of("HOOKS=(systemd autodetect)\n"), "systemd sd-reseat autodetect");
    assert_eq!(hooks_of("HOOKS=(base autodetect)\n"), "base autodetect");
}
