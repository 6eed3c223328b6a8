//! dracut's module, by bash, with its functions replaced by ones that only say how they were called: what the bed's images
//! cannot show, which are built host-only nowhere.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/dracut/52reseat/module-setup.sh");

const STAND_INS: &str = r#"
say() { echo "$*"; }
for name in dwarn inst_binary inst_multiple inst_simple inst_hook; do
	eval "$name() { say $name \"\$@\"; }"
done
instmods() { say "instmods, hostonly=$hostonly:" "$@"; }
check_kernel_module() { [[ $1 == "$has" ]]; }
require_binaries() { [[ -x $dracutsysrootdir$1 ]]; }
dracut_module_included() { [[ $1 == "$included" ]]; }
modprobe() {
	[[ "$1 $2 $3 $4 $5" == "-d $dracutsysrootdir --set-version 6.1 --show-depends" ]] || return 1
	echo "insmod /vfio.ko "
	case $6 in
	vfio_pci) echo "insmod /vfio-pci.ko " ;;
	xe_vfio_pci) echo "insmod /xe.ko " && echo "insmod /xe-vfio-pci.ko " ;;
	nvgrace_gpu_vfio_pci) echo "insmod /nvgrace-gpu-vfio-pci.ko " ;;
	esac
}
SYSTEMCTL="say systemctl" initdir=/image kernel=6.1 moddir=/module systemdsystemunitdir=/units
srcmods=$dracutsysrootdir/modules
"#;

/// What a part of the module calls, on a system with these files.
fn called(root: &Path, part: &str) -> (bool, Vec<String>) {
    let script = format!("{STAND_INS}\n. {MODULE}\n{part}");
    let output = Command::new("bash")
        .args(["-u", "-c", &script])
        .env("dracutsysrootdir", root)
        .envs([("mount_needs", ""), ("no_kernel", ""), ("included", ""), ("has", "")])
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors, "");
    let calls = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), calls.lines().map(str::to_owned).collect())
}

fn system(files: &[&str]) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    root
}

#[test]
fn a_host_only_image_has_the_modules_too() {
    let root = system(&[]);
    let (_, calls) = called(
        root.path(),
        "has=vfio_pci hostonly=yes; installkernel; echo \"$hostonly\"",
    );
    assert_eq!(calls, ["instmods, hostonly=: vfio_pci vfio_iommu_type1", "yes"]);
}

#[test]
fn a_variant_comes_along_unless_it_brings_a_driver() {
    let root = system(&["modules/modules.alias"]);
    let aliases = "alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci\n\
                   alias vfio_pci:v000010DEd00002345sv*sd*bc*sc*i* nvgrace_gpu_vfio_pci\n\
                   alias vfio_pci:v000010DEd00002342sv*sd*bc*sc*i* nvgrace_gpu_vfio_pci\n\
                   alias vfio_pci:v00008086d0000E20Bsv*sd*bc03sc*i* xe_vfio_pci\n\
                   alias pci:v00008086d0000E20Bsv*sd*bc03sc*i* xe\n";
    fs::write(root.path().join("modules/modules.alias"), aliases).unwrap();
    let (_, calls) = called(root.path(), "has=vfio_pci; hostonly=; installkernel");
    assert_eq!(
        calls,
        ["instmods, hostonly=: vfio_pci vfio_iommu_type1 nvgrace_gpu_vfio_pci"]
    );
}

#[test]
fn a_kernel_without_vfio_is_told_and_the_image_is_built() {
    let root = system(&[]);
    let (built, calls) = called(root.path(), "hostonly=; installkernel");
    assert!(built);
    let told = "dwarn reseat: kernel 6.1 has no vfio-pci; no GPU will be claimed at boot";
    assert_eq!(calls.last().map(String::as_str), Some(told));
}

#[test]
fn the_claim_is_a_unit_or_a_hook_and_never_both() {
    let root = system(&[]);
    let runs = |part| {
        let (_, calls) = called(root.path(), part);
        let runs = calls
            .into_iter()
            .filter(|call| !call.starts_with("inst_binary") && !call.starts_with("inst_multiple"));
        runs.collect::<Vec<String>>()
    };
    assert_eq!(
        runs("included=systemd; install"),
        [
            "inst_simple /units/reseat-claim.service",
            "systemctl -q --root /image add-wants sysinit.target reseat-claim.service",
        ]
    );
    assert_eq!(runs("install"), ["inst_hook cmdline 00 /module/reseat-claim.sh"]);
}

#[test]
fn busyboxs_modprobe_makes_room_for_kmods_and_nothing_else_does() {
    let image = tempfile::tempdir().unwrap();
    let (sbin, bin) = (image.path().join("usr/sbin"), image.path().join("usr/bin"));
    for directory in [&sbin, &bin] {
        fs::create_dir_all(directory).unwrap();
    }
    std::os::unix::fs::symlink("../bin/busybox", sbin.join("modprobe")).unwrap();
    std::os::unix::fs::symlink("kmod", bin.join("modprobe")).unwrap();
    let (_, calls) = called(
        system(&[]).path(),
        &format!("initdir={}; install", image.path().display()),
    );
    assert!(calls.iter().any(|call| call == "inst_multiple modprobe"), "{calls:?}");
    assert!(!sbin.join("modprobe").is_symlink() && bin.join("modprobe").is_symlink());
}

#[test]
fn rules_and_quarantine_come_along_where_they_are() {
    let root = system(&["etc/reseat/reseat.toml", "var/lib/reseat/quarantine.json"]);
    let (_, calls) = called(root.path(), "install");
    for call in [
        "inst_binary /usr/sbin/reseat-claim",
        "inst_simple /etc/reseat/reseat.toml",
        "inst_simple /var/lib/reseat/quarantine.json /etc/reseat/quarantine.json",
    ] {
        assert!(calls.iter().any(|other| other == call), "{call}: {calls:?}");
    }
    let (_, calls) = called(system(&[]).path(), "install");
    assert!(!calls.iter().any(|call| call.contains("/etc/reseat")), "{calls:?}");
}

#[test]
fn without_the_program_the_module_is_left_out() {
    assert!(!called(system(&[]).path(), "check").0);
    let root = system(&["usr/sbin/reseat-claim"]);
    let program = root.path().join("usr/sbin/reseat-claim");
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(called(root.path(), "check").0);
}
