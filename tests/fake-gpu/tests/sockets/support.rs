//! A machine without QEMU: the crate's own vfio-user client on a fake's socket.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use fake_gpu::control::{Command, FunctionState};
use fake_gpu::process::FakeGpu;
use fake_gpu::profile::{BoardDesign, Vendor};
use tempfile::TempDir;
use vfio_user::Client;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

pub(crate) const CONFIG: u32 = 7;
pub(crate) const BAR0: u32 = 0;
pub(crate) const GPU_DEVICE_CONTROL: u64 = 0x80;

/// A fake in a directory of its own.
pub(crate) struct Bench {
    pub(crate) directory: TempDir,
    pub(crate) fake: FakeGpu,
}

pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_fake-gpu"))
}

impl Bench {
    pub(crate) fn start(design: &BoardDesign) -> Outcome<Self> {
        let directory = TempDir::new()?;
        let fake = FakeGpu::start(program(), directory.path(), design)?;
        Ok(Self { directory, fake })
    }

    pub(crate) fn nvidia(functions: usize) -> Outcome<Self> {
        Self::start(&BoardDesign::new(Vendor::Nvidia, functions))
    }

    pub(crate) fn connect(&self, function: u8) -> Outcome<Machine> {
        Ok(Machine(Client::new(&self.fake.socket(function))?))
    }

    pub(crate) fn state(&self, function: u8) -> Outcome<FunctionState> {
        let reply = self.fake.control_function(function, &Command::State)?;
        reply.functions.first().copied().ok_or_else(|| "no state".into())
    }

    /// Waits for something that another thread of the fake brings about.
    pub(crate) fn eventually(&self, mut holds: impl FnMut(&Self) -> Outcome<bool>) -> Outcome<()> {
        for _ in 0..2000 {
            if holds(self)? {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("not within twenty seconds".into())
    }
}

/// A machine connected to one function.
pub(crate) struct Machine(pub(crate) Client);

impl Machine {
    pub(crate) fn read_dword(&mut self, region: u32, offset: u64) -> Outcome<u32> {
        let mut data = [0; 4];
        self.0.region_read(region, offset, &mut data)?;
        Ok(u32::from_le_bytes(data))
    }

    pub(crate) fn read_word(&mut self, offset: u64) -> Outcome<u16> {
        let mut data = [0; 2];
        self.0.region_read(CONFIG, offset, &mut data)?;
        Ok(u16::from_le_bytes(data))
    }

    pub(crate) fn write_word(&mut self, offset: u64, value: u16) -> Outcome<()> {
        Ok(self.0.region_write(CONFIG, offset, &value.to_le_bytes())?)
    }

    pub(crate) fn identity(&mut self) -> Outcome<u32> {
        self.read_dword(CONFIG, 0)
    }

    pub(crate) fn flr(&mut self) -> Outcome<()> {
        let control = self.read_word(GPU_DEVICE_CONTROL)?;
        self.write_word(GPU_DEVICE_CONTROL, control | 0x8000)
    }
}
