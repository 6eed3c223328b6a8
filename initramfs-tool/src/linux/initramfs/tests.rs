//! The initramfs of machines made of files, with a builder that is a script.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::initramfs::archive::tests::archive;
use crate::initramfs::builder::Builder;
use crate::initramfs::contents::Shortfall;
use crate::initramfs::measured::Binding;
use crate::initramfs::plan::{Deployed, Facts, KEPT_SUFFIX, Request, Which};
use crate::linux::sysfs::root::Root;

mod arch;
mod cut_off;
mod dracut;
mod machines;
mod menus;

const KERNEL: &str = "6.1.0-50-amd64";
const IMAGE: &str = "/boot/initrd.img-6.1.0-50-amd64";
const BEFORE: &[u8] = b"the image from before";

struct Machine(TempDir);

impl Machine {
    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With initramfs-tools that "build" whatever lies at /next.
    fn new() -> Self {
        let machine = Self::empty();
        machine.write("/proc/sys/kernel/osrelease", KERNEL);
        machine.write(
            "/lib/modules/6.1.0-50-amd64/modules.builtin",
            "kernel/drivers/vfio/pci/vfio-pci.ko\n",
        );
        machine.write("/sys/class/block/none/size", "0\n");
        machine.write("/usr/sbin/reseat-claim", "program");
        machine.write(IMAGE, archive(&[("old", 0o100_644, BEFORE)]));
        let next = machine.root().path("/next");
        machine.script("/usr/sbin/mkinitramfs", &format!("cp {} \"$2\"", next.display()));
        machine.write("/next", image(b"program"));
        machine
    }

    fn root(&self) -> Root {
        Root::at(self.0.path())
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root().path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.root().path(path)).unwrap()
    }

    fn has(&self, path: &str) -> bool {
        self.root().path(path).exists()
    }

    fn facts(&self) -> Facts {
        facts::gather(&self.root(), &Request::default())
    }

    fn install(&self) -> Result<Installed, InitramfsError> {
        install_initramfs(&self.root(), &InitramfsOptions::default(), &mut |_| {})
    }

    fn remove(&self) -> Result<Removed, InitramfsError> {
        remove_initramfs(&self.root(), false, &mut |_| {})
    }

    /// A script that the builder, or what comes after it, is. Another process writes it: one that this process has open for
    /// writing while another test starts a program may be too busy to be run.
    fn script(&self, path: &str, lines: &str) {
        self.write("/script", format!("#!/bin/sh\n{lines}\n"));
        let (from, to) = (self.root().path("/script"), self.root().path(path));
        let mut command = std::process::Command::new("install");
        command.args(["-D", "-m", "755"]).arg(from).arg(to);
        assert!(command.status().unwrap().success());
    }

    /// Every file that an installation may write, with its permission bits; but for what is learned of the machine.
    fn files(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut files = BTreeMap::new();
        let mut directories: Vec<_> = ["/boot", "/efi", "/etc", "/usr"]
            .map(|path| self.root().path(path))
            .into();
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let (path, there) = (entry.path(), entry.metadata().unwrap());
                if there.is_dir() {
                    directories.push(path);
                } else if there.is_file() {
                    let content = fs::read(&path).unwrap();
                    files.insert(path, (there.permissions().mode(), content));
                }
            }
        }
        files
    }

    /// The names in /boot.
    fn boot(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root().path("/boot")).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

/// An image in which everything is.
fn image(program: &[u8]) -> Vec<u8> {
    let order = b"/scripts/init-top/00reseat \"$@\"\n";
    archive(&[
        ("usr/sbin/reseat-claim", 0o100_755, program),
        ("scripts/init-top/00reseat", 0o100_755, b"#!/bin/sh"),
        ("scripts/init-top/ORDER", 0o100_644, order),
    ])
}

#[test]
fn the_previous_image_is_kept_and_comes_back() {
    let machine = Machine::new();
    machine.write("/efi/loader/entries/a.conf", format!("title A\ninitrd {IMAGE}\n"));
    let original = machine.read(IMAGE);
    machine.install().unwrap();
    assert_eq!(machine.read(IMAGE), image(b"program"));
    assert_eq!(machine.read(&format!("{IMAGE}{KEPT_SUFFIX}")), original);
    let entry = String::from_utf8(machine.read("/efi/loader/entries/a~before-reseat.conf")).unwrap();
    assert!(entry.contains(KEPT_SUFFIX), "{entry}");
    let status = initramfs_status(&machine.root()).unwrap();
    assert!(status.is_in_order(), "{status:?}");
    machine.write("/usr/sbin/reseat-claim", "newer");
    assert!(!initramfs_status(&machine.root()).unwrap().is_in_order());

    let removed = machine.remove().unwrap();
    assert_eq!(removed.restored, [KERNEL]);
    assert_eq!((machine.read(IMAGE), machine.boot().len()), (original, 1));
    assert!(!machine.has("/efi/loader/entries/a~before-reseat.conf"));
    assert!(initramfs_status(&machine.root()).unwrap().is_absent());
    assert!(matches!(machine.remove(), Err(InitramfsError::NothingThere)));
}

#[test]
fn an_image_that_lacks_something_is_not_switched_to() {
    let machine = Machine::new();
    machine.write("/next", image(b"another program"));
    let original = machine.read(IMAGE);
    assert!(matches!(machine.install(), Err(InitramfsError::Lacking { .. })));
    machine.write("/next", b"no archive at all");
    assert!(matches!(machine.install(), Err(InitramfsError::Image { .. })));
    machine.script("/usr/sbin/mkinitramfs", "exit 0");
    assert!(matches!(machine.install(), Err(InitramfsError::Program { .. })));
    assert_eq!((machine.read(IMAGE), machine.boot().len()), (original, 1));
    let left = Builder::InitramfsTools
        .files()
        .iter()
        .find(|file| machine.has(file.path));
    assert_eq!(left, None);
    assert!(!machine.has("/usr/share"), "directories were left behind");
}

/// It has said why, and nobody has seen it.
#[test]
fn what_the_builder_warned_of_is_told_of_an_image_that_lacks_something() {
    let machine = Machine::new();
    machine.write("/next", image(b"another program"));
    let next = machine.root().path("/next");
    let lines = [
        "echo 'dracut[I]: *** Including modules ***'",
        "echo 'W: reseat: kernel 6.1 has no vfio-pci' >&2",
        "echo '==> WARNING: sd-reseat: it has to stand after systemd'",
        "for line in $(seq 100); do echo \"dracut[I]: more $line\"; done",
    ];
    machine.script(
        "/usr/sbin/mkinitramfs",
        &format!("{}\ncp {} \"$2\"", lines.join("\n"), next.display()),
    );
    let said = machine.install().unwrap_err().to_string();
    // What comes on standard output comes first.
    let warnings = "\n==> WARNING: sd-reseat: it has to stand after systemd\nW: reseat: kernel 6.1 has no vfio-pci";
    assert!(said.ends_with(warnings), "{said}");
    // One that says nothing of the kind is not quoted.
    machine.script(
        "/usr/sbin/mkinitramfs",
        &format!("echo 'dracut[I]: all is well'\ncp {} \"$2\"", next.display()),
    );
    let said = machine.install().unwrap_err().to_string();
    assert!(said.ends_with("is not the one on this machine"), "{said}");
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
    assert_eq!(removed.notes.len(), 1, "{removed:?}");
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
    assert_eq!((removed.restored.len(), removed.notes.len()), (1, 1), "{removed:?}");
    assert_eq!(machine.read("/boot/initrd.img-5.10"), b"damaged");
}

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
fn files_only_leaves_the_images() {
    let machine = Machine::new();
    let original = machine.read(IMAGE);
    install_initramfs_files(&machine.root(), &Request::default()).unwrap();
    assert_eq!((machine.read(IMAGE), machine.boot().len()), (original, 1));
    assert_eq!(machine.remove().unwrap().files.len(), 2);
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
        "/boot/efi/EFI/Linux/fedora-6.1.efi",
        "/etc/kernel/install.conf says layout=uki",
        "/etc/mkinitcpio.d/linux.preset builds one",
    ];
    assert_eq!(
        (facts.unified.as_slice(), facts.secure_boot),
        (expected.map(str::to_owned).as_slice(), true)
    );
    let refused = machine.install().unwrap_err();
    assert!(
        matches!(&refused, InitramfsError::Refused(refusals) if refusals.len() == 1),
        "{refused}"
    );
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
    machine.write("/etc/mkinitcpio.d/linux.preset", preset.replace("#ALL", "ALL"));
    assert!(machine.facts().no_drop_ins.unwrap().contains("linux.preset"));
    machine.write("/usr/bin/mkinitcpio", "#!/bin/bash\n");
    assert!(machine.facts().no_drop_ins.unwrap().contains("38"));
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

#[test]
fn a_kernel_that_is_named_twice_is_installed_once() {
    let machine = Machine::new();
    let mut options = InitramfsOptions::default();
    options.request.kernels = Which::Named(vec![KERNEL.to_owned(), KERNEL.to_owned()]);
    install_initramfs(&machine.root(), &options, &mut |_| {}).unwrap();
    assert_eq!(machine.read(IMAGE), image(b"program"));
}

#[test]
fn what_somebody_has_changed_is_not_lost_by_an_installation() {
    let machine = Machine::new();
    machine.install().unwrap();
    let file = Builder::InitramfsTools.files()[0].path;
    let copy = "/var/lib/reseat/initramfs/usr-share-initramfs-tools-hooks-reseat";
    for (text, copy) in [("mine", copy.to_owned()), ("mine too", format!("{copy}.1"))] {
        machine.write(file, text);
        let notes = machine.install().unwrap().notes;
        assert!(notes.iter().any(|note| note.ends_with(&copy)), "{notes:?}");
        assert_eq!(machine.read(&copy), text.as_bytes());
    }
    // What an older version has written is nobody's work.
    assert!(!machine.has(&format!("{copy}.2")));
    machine.install().unwrap();
    assert!(!machine.has(&format!("{copy}.2")));
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
    assert!(!status.is_in_order() && status.record_problem.unwrap().contains("move it away"));
    assert!(matches!(machine.remove(), Err(InitramfsError::Record { .. })));
    fs::remove_file(machine.root().path("/var/lib/reseat/initramfs/record.json")).unwrap();
    let without = archive(&[("newer", 0o100_644, b"")]);
    machine.write("/next", &without);
    let removed = machine.remove().unwrap();
    // Whose it is nobody knows.
    assert!(removed.notes[0].contains(KEPT_SUFFIX), "{removed:?}");
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
    let notes = machine.install().unwrap().notes;
    assert!(
        notes.iter().any(|note| note.ends_with(".before-reseat.1 now")),
        "{notes:?}"
    );
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

/// Who has the rules or the program elsewhere, and a link to them, has an image with that link: by initramfs-tools and dracut.
#[test]
fn what_an_image_has_behind_links_counts() {
    const RULES: &str = "[[claim]]\nselect = \"gpu\"\n";
    let machine = Machine::new();
    machine.write("/etc/reseat/reseat.toml", RULES);
    machine.write("/var/lib/reseat/quarantine.json", "quarantine");
    let with_links = |rules: &[u8]| {
        archive(&[
            ("srv/rules.toml", 0o100_644, rules),
            ("etc/reseat/reseat.toml", 0o120_777, b"../../srv/rules.toml"),
            // A link to a link, and a directory that is one.
            ("usr/sbin/reseat-claim", 0o120_777, b"/opt/reseat-claim"),
            ("opt", 0o120_777, b"usr/local"),
            ("usr/local/reseat-claim", 0o100_755, b"program"),
            ("etc/reseat/quarantine.json", 0o120_777, b"/srv/q"),
            ("srv/q", 0o100_644, b"quarantine"),
            ("scripts/init-top/00reseat", 0o100_755, b"#!/bin/sh"),
            (
                "scripts/init-top/ORDER",
                0o100_644,
                b"/scripts/init-top/00reseat \"$@\"\n",
            ),
        ])
    };
    machine.write("/next", with_links(b"older rules"));
    let refused = machine.install().unwrap_err();
    assert!(matches!(refused, InitramfsError::Lacking { shortfalls, .. } if shortfalls == [Shortfall::OtherRules]));
    machine.write("/next", with_links(RULES.as_bytes()));
    machine.install().unwrap();
    assert!(initramfs_status(&machine.root()).unwrap().is_in_order());

    // A link in a circle is no rules, and no dead end.
    let circle = [
        image(b"program"),
        archive(&[("etc/reseat/reseat.toml", 0o120_777, b"reseat.toml")]),
    ];
    machine.write("/next", circle.concat());
    let refused = machine.install().unwrap_err();
    assert!(matches!(refused, InitramfsError::Lacking { .. }));
}
