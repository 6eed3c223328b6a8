use super::super::archive;
use super::super::archive::tests::archive;
use super::*;

const KERNEL: &str = "6.1.0-50-amd64";
const ORDER_FILE: &[u8] = b"/scripts/init-top/00reseat \"$@\"\n[ -e /conf/param.conf ] && . /conf/param.conf\n\
    /scripts/init-top/udev \"$@\"\n[ -e /conf/param.conf ] && . /conf/param.conf\n";

type File<'a> = (&'a str, u32, &'a [u8]);

const GOOD: [File<'static>; 7] = [
    ("usr/sbin/reseat-claim", 0o100_755, b"program"),
    ("scripts/init-top/00reseat", 0o100_755, b"#!/bin/sh"),
    ("scripts/init-top/ORDER", 0o100_644, ORDER_FILE),
    ("etc/reseat/reseat.toml", 0o100_644, b"rules"),
    ("etc/reseat/quarantine.json", 0o100_644, b"quarantine"),
    (
        "usr/lib/modules/6.1.0-50-amd64/kernel/drivers/vfio/pci/vfio-pci.ko.xz",
        0o100_644,
        b"module",
    ),
    ("usr/sbin/modprobe", 0o120_777, b"../bin/kmod"),
];

fn contents(files: &[File<'_>]) -> Contents {
    let mut entries = Vec::new();
    archive::read(&mut archive(files).as_slice(), &is_wanted, &mut |entry| {
        entries.push(entry);
    })
    .unwrap();
    Contents::collect(entries)
}

fn wanted() -> Wanted {
    Wanted {
        builder: Builder::InitramfsTools,
        kernel: KERNEL.to_owned(),
        program: Some(Digest::of(b"program")),
        rules: Some(Digest::of(b"rules")),
        quarantine: Some(Digest::of(b"quarantine")),
        vfio_built_in: false,
    }
}

/// What is found with one file in another form, or gone.
fn with(name: &str, change: Option<(u32, &[u8])>) -> Vec<Shortfall> {
    let changed = GOOD.iter().filter_map(|file| match (file.0 == name, change) {
        (false, _) => Some(*file),
        (true, Some((mode, content))) => Some((file.0, mode, content)),
        (true, None) => None,
    });
    let changed: Vec<_> = changed.collect();
    assert_ne!(changed, GOOD, "nothing was changed");
    shortfalls(&contents(&changed), &wanted())
}

#[test]
fn a_whole_image_lacks_nothing() {
    assert_eq!(shortfalls(&contents(&GOOD), &wanted()), []);
    assert_eq!(contents(&GOOD).made_by(), Some(Builder::InitramfsTools));
    assert!(contents(&GOOD).has_claim());
}

#[test]
fn each_part_that_is_gone_or_changed_is_named() {
    use Shortfall::{NoClaim, NoModprobe, NoModule, NoRules, NotRun, OtherProgram, OtherQuarantine, OtherRules};
    let not_run = |why: &str| [NotRun(why.to_owned())];
    assert_eq!(with(GOOD[0].0, None), [NoClaim]);
    assert_eq!(with(GOOD[0].0, Some((0o100_755, b"older"))), [OtherProgram]);
    assert_eq!(with(GOOD[0].0, Some((0o100_644, b"program"))), [OtherProgram]);
    let no_script = not_run("its script is not in the image, or cannot be run");
    assert_eq!(with(GOOD[1].0, None), no_script);
    assert_eq!(with(GOOD[1].0, Some((0o100_644, b""))), no_script);
    let unordered = not_run("its script is not in the order of scripts");
    assert_eq!(with(GOOD[2].0, None), unordered);
    let late = b"/scripts/init-top/udev \"$@\"\n/scripts/init-top/00reseat \"$@\"\n";
    assert_eq!(
        with(GOOD[2].0, Some((0o100_644, late))),
        not_run("its script comes after udev's")
    );
    assert_eq!(with(GOOD[3].0, None), [NoRules]);
    assert_eq!(with(GOOD[3].0, Some((0o100_644, b"older"))), [OtherRules]);
    assert_eq!(with(GOOD[4].0, None), [OtherQuarantine]);
    assert_eq!(with(GOOD[5].0, None), [NoModule("vfio-pci".to_owned())]);
    assert_eq!(with(GOOD[6].0, None), [NoModprobe]);
}

#[test]
fn what_the_machine_has_not_is_not_wanted() {
    let mut wanted = wanted();
    wanted.vfio_built_in = true;
    let without: Vec<_> = GOOD.into_iter().take(5).collect();
    assert_eq!(shortfalls(&contents(&without), &wanted), []);
    // Rules that are gone from the machine would go on claiming.
    wanted.rules = None;
    assert_eq!(shortfalls(&contents(&without), &wanted), [Shortfall::OtherRules]);
}

#[test]
fn the_modules_of_another_kernel_do_not_count() {
    let mut wanted = wanted();
    wanted.kernel = "6.1.0-50".to_owned();
    assert_eq!(
        shortfalls(&contents(&GOOD), &wanted),
        [Shortfall::NoModule("vfio-pci".to_owned())]
    );
}

#[test]
fn a_file_with_several_names_has_its_content_at_the_last() {
    let entry = |name: &str, content: &[u8]| Entry {
        name: name.to_owned(),
        mode: 0o100_755,
        file: (0, 0, 7),
        links: 2,
        content: is_wanted(name).then(|| content.to_owned()),
    };
    let contents = Contents::collect(vec![
        entry("sbin/reseat-claim", b""),
        entry("bin/reseat-claim", b"program"),
    ]);
    assert_eq!(contents.content("sbin/reseat-claim"), Some(&b"program"[..]));
}
