//! What `reseat initramfs` tells of machines, on a directory that stands for `/`.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[allow(dead_code, reason = "not all of it is for here")]
mod files;

use std::fs;
use std::process::Command;

use files::Files;
use serde_json::{Value, json};

const RUNNING: &str = "6.12.9";
const OTHER: &str = "6.1.0";

/// With initramfs-tools, and images of two kernels that have nothing of reseat in them.
fn machine() -> Files {
    let machine = Files::new();
    for (file, content) in [
        ("proc/sys/kernel/osrelease", RUNNING),
        ("usr/sbin/mkinitramfs", ""),
        ("usr/sbin/reseat-claim", "program"),
        ("sys/class/block/none/size", "0"),
    ] {
        machine.write(file, content);
    }
    for kernel in [RUNNING, OTHER] {
        machine.write(&format!("lib/modules/{kernel}/modules.dep"), "");
        machine.write(&image(kernel), archive(&[("init", b"")]));
    }
    machine
}

fn image(kernel: &str) -> String {
    format!("boot/initrd.img-{kernel}")
}

/// In the form that the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst` describes.
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in files.iter().chain(&[("TRAILER!!!", &b""[..])]) {
        let (size, name_size) = (content.len(), name.len() + 1);
        // inode, mode, …, links, …, size, …, the name's size, checksum
        let header = format!(
            "070701{:08X}000081ED{:016X}00000001{:08X}{size:08X}{:032X}{name_size:08X}{:08X}",
            1, 0, 0, 0, 0
        );
        for part in [header.as_bytes(), name.as_bytes(), &[0]] {
            bytes.extend(part);
        }
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(*content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// The exit status, and what is said on standard output and on standard error.
fn initramfs(machine: &Files, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_reseat"));
    let command = command
        .arg("initramfs")
        .args(arguments)
        .arg("--root")
        .arg(machine.root());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn line<'a>(said: &'a str, kernel: &str) -> &'a str {
    let mut lines = said.lines();
    lines
        .find(|line| line.starts_with(&format!("kernel {kernel}")))
        .unwrap()
}

/// The finding of this kind, of which there is one.
fn only<'a>(findings: &'a Value, id: &str) -> &'a Value {
    let found: Vec<_> = findings
        .as_array()
        .unwrap()
        .iter()
        .filter(|found| found["id"] == id)
        .collect();
    assert_eq!(found.len(), 1, "{id} in {findings:#}");
    found[0]
}

/// What puts it into the image of the kernel that runs does nothing for another.
#[test]
fn the_status_says_of_each_kernel_what_helps_that_one() {
    let machine = machine();
    let (status, said, _) = initramfs(&machine, &["status"]);
    assert_eq!(status, Some(3), "{said}");
    let lacking = "reseat-claim is not in it; put it there (`reseat initramfs install";
    assert!(line(&said, RUNNING).ends_with(&format!("{lacking}`)")), "{said}");
    assert!(
        line(&said, OTHER).ends_with(&format!("{lacking} --kernel {OTHER}`)")),
        "{said}"
    );

    let stale = archive(&[("usr/sbin/reseat-claim", b"older"), ("usr/sbin/modprobe", b"")]);
    for kernel in [RUNNING, OTHER] {
        machine.write(&image(kernel), &stale);
    }
    let (_, said, _) = initramfs(&machine, &["status"]);
    let anew = "build it anew (`reseat initramfs install";
    assert!(line(&said, RUNNING).ends_with(&format!("{anew}`)")), "{said}");
    assert!(
        line(&said, OTHER).ends_with(&format!("{anew} --kernel {OTHER}`)")),
        "{said}"
    );
}

#[test]
fn the_status_says_that_the_running_kernel_has_no_image() {
    let machine = machine();
    let missing = format!("kernel {RUNNING} has no initramfs at /boot/initrd.img-{RUNNING}, ");
    let (_, said, _) = initramfs(&machine, &["status"]);
    assert!(!said.contains(&missing), "{said}");
    fs::remove_file(machine.path(&image(RUNNING))).unwrap();
    let (_, said, _) = initramfs(&machine, &["status"]);
    assert!(said.contains(&missing), "{said}");
    let (_, said, _) = initramfs(&machine, &["status", "--json"]);
    let status: Value = serde_json::from_str(&said).unwrap();
    let finding = only(&status["findings"], "image-not-found");
    assert_eq!(finding["subject"], json!({"kind": "kernel", "name": RUNNING}));
    assert!(finding["message"].as_str().unwrap().starts_with(&missing), "{said}");
    assert!(!finding["help"].as_array().unwrap().is_empty(), "{said}");

    // Where a builder that is not known makes the images (NixOS, Alpine), nobody knows where they are.
    fs::remove_file(machine.path("usr/sbin/mkinitramfs")).unwrap();
    let (_, said, _) = initramfs(&machine, &["status"]);
    assert!(said.starts_with("builder: no program is found"), "{said}");
    assert!(!said.contains(&missing), "{said}");
    let (_, said, _) = initramfs(&machine, &["status", "--json"]);
    let status: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(status["builder"], Value::Null, "{said}");
    only(&status["findings"], "initramfs-builder-missing");
}

#[test]
fn a_dry_run_is_json_where_that_is_asked_for() {
    let (status, said, _) = initramfs(&machine(), &["install", "--dry-run", "--json", "--all"]);
    assert_eq!(status, Some(0), "{said}");
    let plan: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(plan["builder"], "initramfs-tools", "{said}");
    assert_eq!(
        (&plan["schema"], &plan["dry_run"]),
        (&"reseat.initramfs-install/2".into(), &true.into())
    );
    let images: Vec<_> = plan["images"].as_array().unwrap().iter().collect();
    assert_eq!(images.len(), 2, "{said}");
    assert_eq!(images[0]["image"], format!("/boot/initrd.img-{OTHER}"), "{said}");
    let file = json!({"path": "/usr/share/initramfs-tools/hooks/reseat", "content": null});
    assert_eq!(plan["files"][0], file, "{said}");
}

#[test]
fn nothing_is_made_below_a_root_that_is_misspelt() {
    let machine = machine();
    let nowhere = machine.path("mnt/nowhere");
    for command in ["install", "status", "remove"] {
        let mut reseat = Command::new(env!("CARGO_BIN_EXE_reseat"));
        let output = reseat
            .args(["initramfs", command, "--root"])
            .arg(&nowhere)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}: {said}");
        assert!(said.contains("is no directory"), "{command}: {said}");
        assert!(!nowhere.exists(), "{command}");
    }
}

/// An image with them in it would claim nothing by them.
#[test]
fn with_invalid_rules_nothing_is_installed_and_the_status_names_them() {
    for (rules, told) in [
        ("[[claim]]\nselect = \"10de:2231\"\nnot = \"slot=3\"\n", None),
        (
            "[[claim]]\nselct = \"gpu\"\n",
            Some("/etc/reseat/reseat.toml:2: unknown field `selct`"),
        ),
        (
            "[[claim]]\nselect = \"GPU\"\n",
            Some("rule `GPU` (/etc/reseat/reseat.toml:2): not a selector"),
        ),
        (
            "[[claim]]\nselect = \"gpu\"\nnot = \"bay=3\"\n",
            Some("rule `bay=3` (/etc/reseat/reseat.toml:3): `bay=` is not known"),
        ),
    ] {
        let machine = machine_that_builds();
        machine.write("etc/reseat/reseat.toml", rules);
        for arguments in [
            &["install", "--dry-run", "--all"][..],
            &["install", "--force"],
            &["install", "--files-only"],
        ] {
            let Some(told) = told else {
                let (status, said, _) = initramfs(&machine, &["install", "--dry-run", "--all"]);
                assert_eq!(status, Some(0), "{said}");
                continue;
            };
            let (status, said, complaints) = initramfs(&machine, arguments);
            assert_eq!((status, said.as_str()), (Some(4), ""), "{complaints}");
            assert!(complaints.starts_with(&format!("reseat: {told}")), "{complaints}");
            let (status, said, _) = initramfs(&machine, &[arguments, &["--json"]].concat());
            assert_eq!(status, Some(4), "{said}");
            let error: Value = serde_json::from_str(&said).unwrap();
            assert_eq!(error["schema"], "reseat.error/1");
            assert_eq!(error["findings"].as_array().unwrap().len(), 1, "{said}");
            assert_eq!(error["findings"][0]["severity"], "refusal", "{said}");
            assert!(
                error["findings"][0]["message"].as_str().unwrap().starts_with(told),
                "{said}"
            );
            let hook = machine.path("usr/share/initramfs-tools/hooks/reseat");
            assert!(!hook.exists() && !machine.path("var/lib/reseat").exists());
        }
        let (_, said, _) = initramfs(&machine, &["status"]);
        let problems: Vec<_> = said.lines().filter(|line| line.contains("reseat.toml:")).collect();
        assert_eq!(problems.len(), usize::from(told.is_some()), "{said}");
        assert!(told.is_none_or(|told| problems[0].starts_with(told)), "{said}");
    }
}

/// Where nothing could be written, there is nothing to be put back.
#[test]
fn with_a_var_that_cannot_be_written_all_is_as_it_was() {
    let machine = machine();
    fs::create_dir_all(machine.path("var/lib/reseat/initramfs")).unwrap();
    // In mount points of its own, as whoever may have some.
    let script = "mount --bind \"$0/var\" \"$0/var\" && mount -o remount,bind,ro \"$0/var\" && exec \"$1\" initramfs install \
                  --root \"$0\"";
    let mut unshare = Command::new("unshare");
    unshare.args(["--map-root-user", "--mount", "sh", "-c", script]);
    let output = unshare
        .arg(machine.root())
        .arg(env!("CARGO_BIN_EXE_reseat"))
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(said.contains("record.json.new: Read-only file system"), "{said}");
    assert_eq!(output.status.code(), Some(1), "{said}");
}

/// A builder that makes the same image whatever it is asked for.
fn builds(machine: &Files, files: &[(&str, &[u8])]) {
    machine.write("next", archive(files));
    builds_by(
        machine,
        &format!("exec cp \"{}\" \"$2\"", machine.path("next").display()),
    );
}

/// A builder that is this script.
fn builds_by(machine: &Files, script: &str) {
    machine.write("script", format!("#!/bin/sh\n{script}\n"));
    // By another process: one that this process has open for writing while another test starts a program may be too busy.
    let mut install = Command::new("install");
    let install = install.args(["-m", "755"]).arg(machine.path("script"));
    assert!(
        install
            .arg(machine.path("usr/sbin/mkinitramfs"))
            .status()
            .unwrap()
            .success()
    );
}

/// A machine on which an installation comes to its end.
fn machine_that_builds() -> Files {
    let machine = machine();
    builds(
        &machine,
        &[
            ("usr/sbin/reseat-claim", b"program"),
            ("scripts/init-top/00reseat", b"#!/bin/sh"),
            ("scripts/init-top/ORDER", b"/scripts/init-top/00reseat \"$@\"\n"),
        ],
    );
    let built_in = format!("lib/modules/{RUNNING}/modules.builtin");
    machine.write(&built_in, "kernel/drivers/vfio/pci/vfio-pci.ko\n");
    machine
}

/// A `/var/tmp` that is too small is no reason to give up.
#[test]
fn where_temporary_files_go_is_the_users_to_say() {
    let machine = machine();
    builds_by(&machine, "echo \"room in $TMPDIR, home in '$HOME'\" >&2; exit 1");
    let mut command = Command::new(env!("CARGO_BIN_EXE_reseat"));
    command.args(["initramfs", "install", "--root"]).arg(machine.root());
    let output = command.env("TMPDIR", "/large").env("HOME", "/root").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("room in /large, home in ''"), "{said}");
}

/// No boot loader can load a file that nobody brings to where it reads.
#[test]
fn where_the_boot_loader_has_copies_nobody_is_told_to_boot_the_kept_image() {
    for (file, content) in [
        ("etc/kernel/proxmox-boot-uuids", "1234-ABCD\n"),
        ("efi/loader/entries/a.conf", "title A\ninitrd /a/initrd.img-6.12.9\n"),
    ] {
        let machine = machine_that_builds();
        let (_, said, _) = initramfs(&machine, &["install"]);
        assert!(said.contains("edit an entry"), "{said}");
        let machine = machine_that_builds();
        machine.write(file, content);
        machine.write(
            "efi/a/initrd.img-6.12.9",
            fs::read(machine.path(&image(RUNNING))).unwrap(),
        );
        let (status, said, _) = initramfs(&machine, &["install"]);
        assert_eq!(status, Some(0), "{said}");
        assert!(
            said.contains("boots copies of images") && !said.contains("edit an entry"),
            "{said}"
        );
    }
}

#[test]
fn what_is_to_be_known_is_in_the_json_too() {
    let machine = machine_that_builds();
    let (status, said, _) = initramfs(&machine, &["install", "--json"]);
    assert_eq!(status, Some(0), "{said}");
    let done: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&done["schema"], &done["dry_run"]),
        (&"reseat.initramfs-install/2".into(), &false.into())
    );
    let other = only(&done["findings"], "other-images-stay");
    assert_eq!(other["evidence"]["kernels"], OTHER);
    let message = format!("the images of {OTHER} stay as they are");
    assert!(other["message"].as_str().unwrap().starts_with(&message), "{said}");
    only(&done["findings"], "rules-file-missing");

    machine.write("usr/share/initramfs-tools/hooks/reseat", "mine");
    let (_, said, _) = initramfs(&machine, &["install", "--files-only", "--json"]);
    let done: Value = serde_json::from_str(&said).unwrap();
    let copied = only(&done["findings"], "builder-file-copied");
    assert!(copied["message"].as_str().unwrap().contains("a copy is"), "{said}");

    let (status, said, _) = initramfs(&machine, &["status", "--json"]);
    assert_eq!(status, Some(0), "{said}");
    let state: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(state["schema"], "reseat.initramfs-status/2");
    let file = json!({"path": "/usr/share/initramfs-tools/hooks/reseat", "state": "present"});
    assert_eq!(
        (&state["builder"], &state["files"][0]),
        (&"initramfs-tools".into(), &file)
    );
    let lacking = only(&state["images"][0]["findings"], "image-without-claim");
    assert_eq!(lacking["remedy"], "add-to-image-of-kernel");

    let (status, said, _) = initramfs(&machine, &["remove", "--json"]);
    // This builder brings the claim whatever it is asked for; but the image from before is there.
    assert_eq!(status, Some(0), "{said}");
    let removed: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(removed["schema"], "reseat.initramfs-remove/2");
    assert_eq!(
        (&removed["restored"][0], &removed["findings"]),
        (&RUNNING.into(), &json!([]))
    );
    let (status, said, complaints) = initramfs(&machine, &["remove", "--json"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(complaints.contains("nothing of reseat is installed"), "{complaints}");
    let error: Value = serde_json::from_str(&said).unwrap();
    only(&error["findings"], "initramfs-not-installed");
}
