use super::super::archive;
use super::super::archive::tests::archive;
use super::*;

const KERNEL: &str = "6.1.0-50-amd64";
const ORDER_FILE: &[u8] = b"/scripts/init-top/00reseat \"$@\"\n[ -e /conf/param.conf ] && . /conf/param.conf\n\
    /scripts/init-top/udev \"$@\"\n[ -e /conf/param.conf ] && . /conf/param.conf\n";

type File<'a> = (&'a str, u32, &'a [u8]);

const GOOD: [File<'static>; 8] = [
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
    ("usr/lib/modules/6.1.0-50-amd64/modules.dep", 0o100_644, b"list"),
];

fn contents(files: &[File<'_>]) -> Contents {
    let mut entries = Vec::new();
    archive::read(&mut archive(files).as_slice(), &is_wanted, &mut |entry| {
        entries.push(entry);
    })
    .unwrap();
    Contents::collect(entries)
}

fn wanted() -> RequiredContents {
    RequiredContents {
        builder: Builder::InitramfsTools,
        kernel: KERNEL.to_owned(),
        program: Some(Digest::of(b"program")),
        rules: Some(Digest::of(b"rules")),
        quarantine: Some(Digest::of(b"quarantine")),
        vfio_built_in: false,
        has_type1_module: false,
        variants: Vec::new(),
    }
}

/// The shortfalls with one file changed or removed.
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
fn the_module_of_the_container_and_kmods_modprobe_have_to_be_there() {
    let mut wanted = wanted();
    wanted.has_type1_module = true;
    let lacking = Shortfall::NoModule("vfio_iommu_type1".to_owned());
    assert_eq!(shortfalls(&contents(&GOOD), &wanted), [lacking]);
    let module = "usr/lib/modules/6.1.0-50-amd64/kernel/drivers/vfio/vfio_iommu_type1.ko.xz";
    let mut files = GOOD.to_vec();
    files.push((module, 0o100_644, b"module"));
    assert_eq!(shortfalls(&contents(&files), &wanted), []);
    files[6] = ("usr/sbin/modprobe", 0o120_777, b"../bin/busybox");
    assert_eq!(shortfalls(&contents(&files), &wanted), [Shortfall::BusyboxModprobe]);
    // If everything is built in, neither module is needed.
    (wanted.vfio_built_in, wanted.has_type1_module) = (true, false);
    assert_eq!(shortfalls(&contents(&files), &wanted), []);
}

#[test]
fn each_part_that_is_gone_or_changed_is_named() {
    use Shortfall::{
        NoClaim, NoModprobe, NoModule, NoModuleList, NoRules, NotRun, OtherProgram, OtherQuarantine, OtherRules,
    };
    let not_run = |why| [NotRun(why)];
    assert_eq!(with(GOOD[0].0, None), [NoClaim]);
    assert_eq!(with(GOOD[0].0, Some((0o100_755, b"older"))), [OtherProgram]);
    assert_eq!(with(GOOD[0].0, Some((0o100_644, b"program"))), [OtherProgram]);
    let no_script = not_run(super::NotRun::ScriptMissing);
    assert_eq!(with(GOOD[1].0, None), no_script);
    assert_eq!(with(GOOD[1].0, Some((0o100_644, b""))), no_script);
    let unordered = not_run(super::NotRun::ScriptNotOrdered);
    assert_eq!(with(GOOD[2].0, None), unordered);
    let late = b"/scripts/init-top/udev \"$@\"\n/scripts/init-top/00reseat \"$@\"\n";
    assert_eq!(
        with(GOOD[2].0, Some((0o100_644, late))),
        not_run(super::NotRun::ScriptAfterUdev)
    );
    assert_eq!(with(GOOD[3].0, None), [NoRules]);
    assert_eq!(with(GOOD[3].0, Some((0o100_644, b"older"))), [OtherRules]);
    assert_eq!(with(GOOD[4].0, None), [OtherQuarantine]);
    assert_eq!(with(GOOD[5].0, None), [NoModule("vfio-pci".to_owned())]);
    assert_eq!(with(GOOD[6].0, None), [NoModprobe]);
    assert_eq!(with(GOOD[7].0, None), [NoModuleList]);
}

#[test]
fn what_the_machine_has_not_is_not_wanted() {
    let mut wanted = wanted();
    wanted.vfio_built_in = true;
    let without: Vec<_> = GOOD.into_iter().take(5).collect();
    assert_eq!(shortfalls(&contents(&without), &wanted), []);
    // Rules that no longer exist on the machine would still claim.
    wanted.rules = None;
    assert_eq!(shortfalls(&contents(&without), &wanted), [Shortfall::OtherRules]);
}

#[test]
fn a_variant_for_a_gpu_of_the_machine_is_wanted_though_vfio_pci_is_built_in() {
    let mut wanted = wanted();
    wanted.variants = vec!["nvgrace_gpu_vfio_pci".to_owned()];
    for vfio_built_in in [false, true] {
        wanted.vfio_built_in = vfio_built_in;
        let missing = [Shortfall::NoModule("nvgrace_gpu_vfio_pci".to_owned())];
        assert_eq!(shortfalls(&contents(&GOOD), &wanted), missing);
    }
    let module = "usr/lib/modules/6.1.0-50-amd64/kernel/drivers/vfio/pci/nvgrace-gpu/nvgrace-gpu-vfio-pci.ko";
    let with_it: Vec<_> = GOOD.into_iter().chain([(module, 0o100_644, &b""[..])]).collect();
    assert_eq!(shortfalls(&contents(&with_it), &wanted), []);
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
    let entry = |name: &str, content: &[u8]| ArchiveEntry {
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

/// The shortfall in an image of another builder with these files, beside the files of every image.
fn not_run_with(builder: Builder, files: &[File<'_>]) -> Option<NotRun> {
    not_run(&contents(files), builder)
}

#[test]
fn dracut_runs_a_hook_and_with_systemd_a_unit() {
    let of_dracut: File<'_> = ("usr/lib/dracut/modules.txt", 0o100_644, b"");
    for directory in ["var/lib", "usr/lib", "lib"] {
        let hook = format!("{directory}/dracut/hooks/cmdline/00-reseat-claim.sh");
        assert_eq!(not_run_with(Builder::Dracut, &[(hook.as_str(), 0o100_755, b"")]), None);
    }
    assert_eq!(
        not_run_with(Builder::Dracut, &[of_dracut]),
        Some(NotRun::DracutHookMissing)
    );
    assert_eq!(contents(&[of_dracut]).made_by(), Some(Builder::Dracut));
    let wanted = "etc/systemd/system/sysinit.target.wants/reseat-claim.service";
    let all = [
        (SYSTEMD, 0o100_755, &b""[..]),
        (UNIT, 0o100_644, b""),
        (wanted, 0o120_777, b""),
    ];
    for builder in [Builder::Dracut, Builder::Mkinitcpio] {
        assert_eq!(not_run_with(builder, &all), None);
        let unwanted = not_run_with(builder, &all[..2]);
        assert_eq!(unwanted, Some(NotRun::UnitNotStarted));
        // The hook would have no effect.
        let with_hook = [
            all[0],
            ("var/lib/dracut/hooks/cmdline/00-reseat-claim.sh", 0o100_755, b""),
        ];
        assert_eq!(not_run_with(builder, &with_hook), Some(NotRun::UnitMissing));
    }
}

#[test]
fn mkinitcpio_runs_an_early_hook_before_udevs() {
    let with = |early: &str| {
        let configuration = format!("EARLYHOOKS=\"{early}\"\nHOOKS=\"udev\"\n");
        let files = [
            ("config", 0o100_644, configuration.as_bytes()),
            ("hooks/reseat", 0o100_755, b""),
        ];
        not_run_with(Builder::Mkinitcpio, &files)
    };
    assert_eq!(with("reseat udev"), None);
    assert_eq!(with("udev reseat"), Some(NotRun::MkinitcpioHookAfterUdev));
    assert_eq!(with("udev"), Some(NotRun::MkinitcpioHookNotEarly));
    let none = not_run_with(Builder::Mkinitcpio, &[("config", 0o100_644, b"")]);
    assert_eq!(none, Some(NotRun::MkinitcpioHookMissing));
    let marked: File<'_> = ("buildconfig", 0o100_644, b"");
    assert_eq!(contents(&[marked]).made_by(), Some(Builder::Mkinitcpio));
}
