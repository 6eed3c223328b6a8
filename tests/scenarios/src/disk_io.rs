//! A disk beside a GPU, in use: whoever disturbs it is found out.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::{Gpu, Job, Running};

const END_TIMEOUT: Duration = Duration::from_secs(90);
/// The kernel looks for a disk behind its controller while the boot goes on, and a busy host makes that long.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A controller that was reset is noticed only after its driver's thirty seconds.
const LONGEST: Duration = Duration::from_secs(10);

/// Reads that go on in the guest.
#[derive(Debug)]
pub struct DiskIo<'a> {
    running: &'a Running,
    job: Job<'a>,
    function: String,
    /// The lines of the console that were there before.
    console: usize,
}

/// What became of the reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reads {
    /// How many succeeded, of 64 KiB each.
    pub done: u32,
    /// How many failed.
    pub failed: u32,
    /// The longest that one took, by the guest's clock, which ticks in hundredths of a second.
    pub longest: Duration,
    /// What the kernel said of the disk meanwhile.
    pub kernel: Vec<String>,
}

impl Running {
    /// Starts to read the disk beside a GPU, past all caches, until [`DiskIo::stop`].
    ///
    /// # Errors
    /// When it has no disk, or the first read fails.
    pub fn read_disk(&self, gpu: &Gpu) -> Result<DiskIo<'_>> {
        let function = gpu.disk.clone().context("no disk stands beside this GPU")?;
        let console = self.machine.console().lines().len();
        let files = files_of(&function);
        let script = format!(
            "rm -f {files}.stop {files}.begun\n\
             n=0\n\
             until d=$(ls /sys/bus/pci/devices/{function}/nvme/nvme*/ | grep 'nvme[0-9]*n[0-9]*$' | head -n 1)\n\
             [ -n \"$d\" ] && [ -b /dev/$d ]\n\
             do\n\
             [ $n -lt 200 ] || {{ echo no block device at {function} >&2; exit 1; }}\n\
             n=$((n + 1)); usleep 100000\n\
             done\n\
             done=0 failed=0 longest=0 at=0\n\
             while [ ! -e {files}.stop ]; do\n\
             read a _ </proc/uptime\n\
             if dd if=/dev/$d of=/dev/null bs=64k count=1 skip=$at iflag=direct 2>>{files}.err\n\
             then done=$((done + 1)); else failed=$((failed + 1)); fi\n\
             read b _ </proc/uptime\n\
             t=$(( (${{b%.*}} - ${{a%.*}}) * 100 + 1${{b#*.}} - 1${{a#*.}} ))\n\
             [ $t -gt $longest ] && longest=$t\n\
             at=$(( (at + 1) % 128 ))\n\
             >{files}.begun\n\
             done\n\
             echo $done $failed $longest"
        );
        let job = self.start(&script)?;
        let deadline = Instant::now() + START_TIMEOUT;
        while self.shell(&format!("[ -e {files}.begun ] && echo yes || true"))?.trim() != "yes" {
            if job.has_ended()? {
                let ended = job.wait(START_TIMEOUT)?;
                bail!("the disk cannot be read: {}", ended.stderr);
            }
            ensure!(Instant::now() < deadline, "no read of the disk came to its end");
        }
        Ok(DiskIo {
            running: self,
            job,
            function,
            console,
        })
    }
}

/// The beginning of the names of the files in the guest.
fn files_of(function: &str) -> String {
    format!("/tmp/io.{function}")
}

impl DiskIo<'_> {
    /// Ends the reads.
    ///
    /// # Errors
    /// When the last one does not come to its end.
    pub fn stop(self) -> Result<Reads> {
        self.running.shell(&format!(">{}.stop", files_of(&self.function)))?;
        let ended = self.job.wait(END_TIMEOUT)?;
        ensure!(ended.status == 0, "the reads ended with {ended:?}");
        let mut numbers = ended.stdout.split_whitespace().map(str::parse::<u32>);
        let mut number = || numbers.next().context("a number is missing")?.context("no number");
        let (done, failed, longest) = (number()?, number()?, number()?);
        let lines = self.running.machine.console().lines();
        let is_of_it = |text: &str| text.contains("nvme") || text.contains(&self.function);
        let kernel = lines.into_iter().skip(self.console).map(|line| line.text);
        Ok(Reads {
            done,
            failed,
            longest: Duration::from_millis(10) * longest,
            kernel: kernel.filter(|text| is_of_it(text)).collect(),
        })
    }
}

impl Reads {
    /// Checks that nobody disturbed them.
    ///
    /// # Errors
    /// When a read failed or was kept waiting, or the kernel had something to say of the disk.
    pub fn check_undisturbed(&self) -> Result<()> {
        ensure!(
            self.done > 0 && self.failed == 0 && self.longest < LONGEST && self.kernel.is_empty(),
            "the disk was disturbed: {self:?}"
        );
        Ok(())
    }
}
