//! The children of `reseat` and `reseat-claim`, as their supervisor starts them.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[allow(dead_code, reason = "not all of it is for here")]
mod files;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use files::Files;

const RESEAT: &str = env!("CARGO_BIN_EXE_reseat");
const RESEAT_CLAIM: &str = env!("CARGO_BIN_EXE_reseat-claim");

fn child(program: &str, job: &str, root: &Files) -> Child {
    Command::new(program)
        .args(["--child", job])
        .arg(root.root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Its status; it has to end by itself.
fn status(child: &mut Child) -> ExitStatus {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(begin.elapsed() < Duration::from_secs(20));
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A value as it goes through the pipe: behind its length.
fn frame(value: &[u8]) -> Vec<u8> {
    let length = u32::try_from(value.len()).unwrap().to_le_bytes();
    [&length, value].concat()
}

fn next_frame(output: &mut impl Read) -> Vec<u8> {
    let mut length = [0; 4];
    output.read_exact(&mut length).unwrap();
    let mut value = vec![0; usize::try_from(u32::from_le_bytes(length)).unwrap()];
    output.read_exact(&mut value).unwrap();
    value
}

/// A list with one address, which postcard encodes as text.
fn one_function() -> Vec<u8> {
    [&[1, 12], b"0000:01:00.0".as_slice()].concat()
}

#[test]
fn a_program_does_its_own_jobs_and_no_others() {
    let root = Files::new();
    for (program, job, known) in [
        (RESEAT, "recover", true),
        (RESEAT, "find-users", false),
        (RESEAT_CLAIM, "recover", false),
        (RESEAT, "anything", false),
    ] {
        let mut child = child(program, job, &root);
        // No question comes: to one that may be asked several times that is the end.
        drop(child.stdin.take());
        assert_eq!(status(&mut child).success(), known, "{program} {job}");
        let mut said = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut said).unwrap();
        assert_eq!(said, b"", "{program} {job}");
    }
}

#[test]
fn a_question_that_is_cut_off_or_damaged_is_not_answered() {
    let root = Files::new();
    let whole = frame(&one_function());
    for question in [&whole[..whole.len() - 1], &frame(&[0xff; 12]), b"nonsense"] {
        let mut child = child(RESEAT, "find-users", &root);
        child.stdin.take().unwrap().write_all(question).unwrap();
        assert_eq!(status(&mut child).code(), Some(1), "{question:?}");
        let mut said = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut said).unwrap();
        assert_eq!(said, b"", "{question:?}");
    }
}

/// The search names each process before it looks at it, so that its supervisor knows where one that hangs is.
#[test]
fn a_search_that_hangs_has_named_the_process() {
    const GPU: &str = "sys/bus/pci/devices/0000:01:00.0";
    let root = Files::new();
    root.write(&format!("{GPU}/drm/card0/dev"), "1:5\n");
    let link = |to: &str, name: &str| {
        let path = root.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(to, path).unwrap();
    };
    link("../../../kernel/iommu_groups/7", &format!("{GPU}/iommu_group"));
    link("pid:[4026531836]", "proc/1/ns/pid");
    // It has /dev/zero, 1:5, open, and is asked for its name then: a pipe that nobody writes to.
    link("/dev/zero", "proc/4242/task/4242/fd/4");
    let name = root.path("proc/4242/comm");
    rustix::fs::mkfifoat(rustix::fs::CWD, &name, rustix::fs::Mode::RUSR).unwrap();

    let mut child = child(RESEAT, "find-users", &root);
    child.stdin.take().unwrap().write_all(&frame(&one_function())).unwrap();
    let mut output = child.stdout.take().unwrap();
    // The first variant of an answer, with the number in steps of 7 bits.
    while next_frame(&mut output) != [0, 0x92, 0x21] {}
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(child.try_wait().unwrap(), None);
    child.kill().unwrap();
    status(&mut child);
    let mut rest = Vec::new();
    output.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"", "it came past the process");
}
