//! Installations.

use super::*;

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
    let found = machine.fails_to_install();
    // What comes on standard output comes first.
    let warnings = "==> WARNING: sd-reseat: it has to stand after systemd\nW: reseat: kernel 6.1 has no vfio-pci";
    let ids = [
        id::NEW_IMAGE_INCOMPLETE,
        id::IMAGE_PROGRAM_DIFFERS,
        id::INITRAMFS_BUILDER_WARNED,
    ];
    assert_eq!(ids_of(&found), ids);
    assert_eq!(found[2].evidence.get("output"), Some(warnings));
    // One that says nothing of the kind is not quoted.
    machine.script(
        "/usr/sbin/mkinitramfs",
        &format!("echo 'dracut[I]: all is well'\ncp {} \"$2\"", next.display()),
    );
    let ids = [id::NEW_IMAGE_INCOMPLETE, id::IMAGE_PROGRAM_DIFFERS];
    assert_eq!(ids_of(&machine.fails_to_install()), ids);
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
fn files_only_leaves_the_images() {
    let machine = Machine::new();
    let original = machine.read(IMAGE);
    install_initramfs_files(&machine.root(), &Request::default()).unwrap();
    assert_eq!((machine.read(IMAGE), machine.boot().len()), (original, 1));
    assert_eq!(machine.remove().unwrap().files.len(), 2);
}

#[test]
fn what_somebody_has_changed_is_not_lost_by_an_installation() {
    let machine = Machine::new();
    machine.install().unwrap();
    let file = Builder::InitramfsTools.files()[0].path;
    let copy = "/var/lib/reseat/initramfs/usr-share-initramfs-tools-hooks-reseat";
    for (text, copy) in [("mine", copy.to_owned()), ("mine too", format!("{copy}.1"))] {
        machine.write(file, text);
        let found = machine.install().unwrap().findings;
        let copied = found
            .iter()
            .find(|finding| finding.id == id::BUILDER_FILE_COPIED)
            .unwrap();
        assert_eq!(
            (copied.subject.name.as_str(), copied.evidence.get("copy")),
            (file, Some(copy.as_str()))
        );
        assert_eq!(machine.read(&copy), text.as_bytes());
    }
    // What an older version has written is nobody's work.
    assert!(!machine.has(&format!("{copy}.2")));
    machine.install().unwrap();
    assert!(!machine.has(&format!("{copy}.2")));
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
