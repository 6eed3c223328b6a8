//! `reseat return-to-service`.

use reseat::linux::{self, Isolation, Return, Returned, Root};
use reseat_core::recovery::End;

use crate::exit::Exit;
use crate::failure::Outcome;
use crate::gpu::{self, GpuName, gpu_help};
use crate::quarantine::NEXT_BOOT;
use crate::recover::Teller;

/// Arguments of `reseat return-to-service`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[arg(help = gpu_help!())]
    gpu: GpuName,
    /// How many resets have to be verified.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    resets: u32,
    /// Reset nothing and verify nothing. The reason is kept.
    #[arg(long, requires = "reason", conflicts_with = "resets")]
    force: bool,
    /// Why it is to be forced.
    #[arg(long, value_name = "TEXT", requires = "force")]
    reason: Option<String>,
    /// Print JSON, one event of the resets a line.
    #[arg(long)]
    json: bool,
}

/// Takes a GPU back into service.
pub(crate) fn run(root: &Root, arguments: &Arguments) -> Outcome {
    let how = match &arguments.reason {
        Some(reason) => Return::Force(reason.clone()),
        None => Return::Resets(arguments.resets),
    };
    let device = gpu::device(root, arguments.gpu)?;
    let contract = linux::contract(root)?;
    let mut teller = Teller::new(arguments.json);
    let returned = linux::return_to_service(root, device, &how, &contract, &mut |event| teller.tell(event));
    if let Err(error) = teller.finish() {
        // How it ended is told by the exit status, whoever has stopped reading.
        eprintln!("reseat: cannot print: {error}");
    }
    let status = match returned.map_err(gpu::or_absent(root, device))? {
        Returned::Back => {
            eprintln!("reseat: {device} is in service again; {NEXT_BOOT}");
            Exit::Done
        }
        Returned::BackWithoutDriver(words) => {
            let words = words.join("; ");
            eprintln!("reseat: {device} is in service again by force, and its driver does not have it: {words}");
            Exit::Failed
        }
        Returned::Unproven { end, isolation } => {
            let end_in_words = end.map_or_else(|| "it could not be isolated".to_owned(), |end| end.to_string());
            still_out(device, &end_in_words, &isolation);
            match (&isolation, end) {
                (Isolation::Failed(_), _) => Exit::NotMadeSafe,
                (_, Some(End::Unverified { .. })) => Exit::Unproven,
                (_, Some(End::Refused(_))) => Exit::Refused,
                (_, None | Some(End::Recovered { .. } | End::OutOfService { .. })) => Exit::OutOfService,
            }
        }
        Returned::NotHandedOver { words, isolation } => {
            still_out(device, &words.join("; "), &isolation);
            match isolation {
                Isolation::Failed(_) => Exit::NotMadeSafe,
                Isolation::Done | Isolation::NotThere => Exit::OutOfService,
            }
        }
    };
    Ok(status)
}

fn still_out(device: reseat_core::address::DeviceAddress, why: &str, isolation: &Isolation) {
    eprintln!("reseat: {device} is still out of service: {why}");
    if let Isolation::Failed(words) = isolation {
        eprintln!("reseat: {device} is not out of reach: {}", words.join("; "));
    }
}
