//! The control socket: reads requests, does them, answers each with one line.

use std::convert::Infallible;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread;

use super::{Board, Slot};
use crate::clock::Timestamp;
use crate::control::{Command, ConfigDelay, ControlError, Power, Reply, Request};
use crate::log::Event;

/// Serves the control socket, each connection in a thread of its own.
pub(super) fn serve(board: &Arc<Board>, listener: &UnixListener) -> io::Result<Infallible> {
    loop {
        let (connection, _) = listener.accept()?;
        let board = Arc::clone(board);
        // A client that goes away in the middle of a line has no one to be told.
        thread::spawn(move || answer_all(&board, &connection).ok());
    }
}

fn answer_all(board: &Board, connection: &UnixStream) -> io::Result<()> {
    let mut writer = connection;
    for line in BufReader::new(connection).lines() {
        let reply = answer(board, &line?).unwrap_or_else(|error| Reply::refused(&error));
        let mut reply = serde_json::to_vec(&reply)?;
        reply.push(b'\n');
        writer.write_all(&reply)?;
    }
    Ok(())
}

fn answer(board: &Board, line: &str) -> Result<Reply, ControlError> {
    let request: Request = serde_json::from_str(line).map_err(|cause| ControlError::Syntax {
        line: line.to_owned(),
        cause,
    })?;
    let slots = selected(board, request.function)?;
    match &request.command {
        Command::State => return Ok(state(slots)),
        Command::Power(power) => switch(board, *power, request.function)?,
        Command::Mark(text) => mark(board, request.function, text)?,
        Command::ConfigDelay(delay) if delay.ms > ConfigDelay::LONGEST_MS => {
            return Err(ControlError::DelayTooLong(delay.ms));
        }
        command => script(board, slots, command)?,
    }
    Ok(Reply::done())
}

fn selected(board: &Board, function: Option<u8>) -> Result<&[Slot], ControlError> {
    let Some(function) = function else {
        return Ok(&board.slots);
    };
    let index = usize::from(function);
    let slot = board.slots.get(index..=index);
    slot.ok_or(ControlError::NoSuchFunction {
        function,
        count: board.slots.len(),
    })
}

fn state(slots: &[Slot]) -> Reply {
    let now = Timestamp::now();
    let state = |slot: &Slot| slot.function().state(slot.number, now);
    Reply {
        functions: slots.iter().map(state).collect(),
        ..Reply::done()
    }
}

fn switch(board: &Board, power: Power, function: Option<u8>) -> Result<(), ControlError> {
    if let Some(function) = function {
        return Err(ControlError::PowerIsShared(function));
    }
    match power {
        Power::Off => board.switch_off(),
        Power::On => board.switch_on(),
    }
    .map_err(ControlError::Log)
}

fn mark(board: &Board, function: Option<u8>, text: &str) -> Result<(), ControlError> {
    if text.contains(['\n', '\r']) {
        return Err(ControlError::MarkWithLineBreak);
    }
    let marked = board.log.event(function, Event::Mark(text.to_owned()));
    marked.map_err(ControlError::Log)
}

fn script(board: &Board, slots: &[Slot], command: &Command) -> Result<(), ControlError> {
    for slot in slots {
        let mut function = slot.function();
        if let Some(event) = function.command(command) {
            board.log.event(Some(slot.number), event).map_err(ControlError::Log)?;
        }
    }
    Ok(())
}
