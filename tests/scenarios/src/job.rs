//! A command that runs in the guest while the shell stays free.

use std::cell::Cell;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::Running;

const POLL: Duration = Duration::from_millis(100);

/// A command that was started in the guest. It goes on when this is dropped.
#[derive(Debug)]
pub struct Job<'a> {
    running: &'a Running,
    command: String,
    /// Its files in the guest, without their extensions.
    files: String,
}

/// A command that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit status.
    pub status: i32,
    /// How long it ran, by the guest's clock, which ticks in hundredths of a second.
    pub took: Duration,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Running {
    /// Starts a command in the guest. The shell is free at once, even should the command hang in the kernel.
    ///
    /// # Errors
    /// When the shell does not answer.
    pub fn start(&self, command: &str) -> Result<Job<'_>> {
        thread_local! {
            static NEXT: Cell<u32> = const { Cell::new(0) };
        }
        let number = NEXT.replace(NEXT.get() + 1);
        // Machines do not share their files, threads of a test do not share a number.
        let files = format!("/tmp/job.{:?}.{number}", thread::current().id()).replace(['(', ')'], "");
        let script = format!(
            "cat >{files}.sh <<'END OF JOB'\n{command}\nEND OF JOB\n\
             {{ read a _ </proc/uptime; sh {files}.sh >{files}.out 2>{files}.err; s=$?; \
             read b _ </proc/uptime; echo $s $a $b >{files}.new; mv {files}.new {files}.end; }} \
             </dev/null >/dev/null 2>&1 &"
        );
        self.shell(&script)?;
        Ok(Job {
            running: self,
            command: command.to_owned(),
            files,
        })
    }

    /// Runs a command in the guest that may take long; its status is the caller's to judge.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn run(&self, command: &str, timeout: Duration) -> Result<Ended> {
        self.start(command)?.wait(timeout)
    }
}

impl Job<'_> {
    /// Whether it has ended.
    ///
    /// # Errors
    /// When the shell does not answer.
    pub fn has_ended(&self) -> Result<bool> {
        let output = self
            .running
            .shell(&format!("[ -e {}.end ] && echo yes || true", self.files))?;
        Ok(output.trim() == "yes")
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end in time.
    pub fn wait(&self, timeout: Duration) -> Result<Ended> {
        let deadline = Instant::now() + timeout;
        while !self.has_ended()? {
            if Instant::now() > deadline {
                let said = self.running.shell(&format!("cat {0}.out {0}.err", self.files))?;
                let tail = self.running.machine.console().tail();
                bail!(
                    "`{}` did not end within {timeout:?}; it said: {said}; {tail}",
                    self.command
                );
            }
            thread::sleep(POLL);
        }
        self.ended()
    }

    fn ended(&self) -> Result<Ended> {
        let files = &self.files;
        let all = format!("cat {files}.end; wc -c <{files}.out; cat {files}.out {files}.err");
        let all = self.running.shell(&all)?;
        let (end, rest) = all.split_once('\n').context("a job without an end")?;
        let (size, both) = rest.split_once('\n').context("a job without output")?;
        let size: usize = size.trim().parse().with_context(|| format!("no size: {size}"))?;
        let stderr = both.get(size..).context("a job whose output is no text")?;
        let fields: Vec<&str> = end.split_whitespace().collect();
        let [status, began, ended] = fields[..] else {
            bail!("a job ended with `{end}`");
        };
        let seconds = |text: &str| text.parse().map(Duration::from_secs_f64).context("no time");
        let (began, ended) = (seconds(began)?, seconds(ended)?);
        ensure!(began <= ended, "the guest's clock went back: {end}");
        Ok(Ended {
            status: status.parse().with_context(|| format!("a job ended with `{end}`"))?,
            took: ended - began,
            stdout: both.get(..size).unwrap_or_default().to_owned(),
            stderr: stderr.to_owned(),
        })
    }
}
