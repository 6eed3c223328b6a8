//! A register: its raw value and its fields, by name.

use reseat_core::capability::view::ViewError;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::fault::Fault;
use super::hex::space::NotDumped;
use super::value::Value;

/// The registers of a header or a capability, in the order of the specification.
#[derive(Clone, Debug, Default)]
pub struct Registers {
    registers: Vec<Register>,
}

/// A register, or the reason for which it has no value.
#[derive(Clone, Debug)]
pub struct Register {
    /// Its name.
    pub name: String,
    /// Its content.
    pub content: Result<RegisterContent, ViewError<NotDumped>>,
}

/// The content of a register.
#[derive(Clone, Debug)]
pub struct RegisterContent {
    /// The bits as a hexadecimal number in the register's width.
    pub raw: String,
    /// The fields, lowest bits first.
    pub fields: Vec<Field>,
}

/// A field of a register.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: Value,
}

/// The raw value of a register of reseat-core and those of its fields that are named.
macro_rules! content {
    ($register:expr; $($field:ident),* $(,)?) => {{
        let register = $register;
        let bits = register.into_bits();
        $crate::decode::register::RegisterContent {
            raw: format!("{bits:0width$x}", width = 2 * size_of_val(&bits)),
            fields: vec![$($crate::decode::register::Field {
                name: stringify!($field),
                value: register.$field().into(),
            }),*],
        }
    }};
}
pub(super) use content;

/// The same for a register that is one number or none of reseat-core's types.
pub(super) fn single(name: &'static str, raw: String, value: impl Into<Value>) -> RegisterContent {
    let value = value.into();
    RegisterContent {
        raw,
        fields: vec![Field { name, value }],
    }
}

impl Registers {
    /// The registers.
    pub fn iter(&self) -> impl Iterator<Item = &Register> {
        self.registers.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.registers.is_empty()
    }

    /// Adds a register that is known.
    pub(super) fn add(&mut self, name: impl Into<String>, content: RegisterContent) {
        let (name, content) = (name.into(), Ok(content));
        self.registers.push(Register { name, content });
    }

    /// Adds a register, or why there is no value of it.
    pub(super) fn read<T, E: Into<ViewError<NotDumped>>>(
        &mut self,
        name: impl Into<String>,
        result: Result<T, E>,
        content: impl FnOnce(T) -> RegisterContent,
    ) {
        let content = result.map(content).map_err(Into::into);
        let name = name.into();
        self.registers.push(Register { name, content });
    }

    /// As [`read`](Self::read), of a register that not every function has.
    pub(super) fn read_if_there<T, E: Into<ViewError<NotDumped>>>(
        &mut self,
        name: impl Into<String>,
        result: Result<Option<T>, E>,
        content: impl FnOnce(T) -> RegisterContent,
    ) {
        if let Some(result) = result.transpose() {
            self.read(name, result, content);
        }
    }

    /// As [`read`](Self::read), of two registers that are read at once.
    pub(super) fn read_pair<T, U, E: Into<ViewError<NotDumped>>>(
        &mut self,
        names: [&'static str; 2],
        result: Result<(T, U), E>,
        first: impl FnOnce(T) -> RegisterContent,
        second: impl FnOnce(U) -> RegisterContent,
    ) {
        let [first_name, second_name] = names;
        match result {
            Ok((one, other)) => {
                self.add(first_name, first(one));
                self.add(second_name, second(other));
            }
            Err(error) => {
                let error = error.into();
                self.read::<T, _>(first_name, Err(error), first);
                self.read::<U, _>(second_name, Err(error), second);
            }
        }
    }

    /// As [`read_pair`](Self::read_pair), of registers that not every function has.
    pub(super) fn read_pair_if_there<T, U, E: Into<ViewError<NotDumped>>>(
        &mut self,
        names: [&'static str; 2],
        result: Result<Option<(T, U)>, E>,
        first: impl FnOnce(T) -> RegisterContent,
        second: impl FnOnce(U) -> RegisterContent,
    ) {
        if let Some(result) = result.transpose() {
            self.read_pair(names, result, first, second);
        }
    }
}

impl Serialize for Registers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.registers.len()))?;
        for Register { name, content } in &self.registers {
            let content = content.as_ref();
            let document = RegisterDocument {
                raw: content.ok().map(|content| content.raw.as_str()),
                fields: content.ok().map(|content| Fields(&content.fields)),
                unreadable: content.err().map(Fault::of_view),
            };
            map.serialize_entry(name, &document)?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct RegisterDocument<'a> {
    raw: Option<&'a str>,
    fields: Option<Fields<'a>>,
    unreadable: Option<Fault>,
}

/// Fields as an object. A quantity has its unit in its key.
struct Fields<'a>(&'a [Field]);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entry = |Field { name, value }: &'_ Field| (format!("{name}{}", value.unit()), value.clone());
        serializer.collect_map(self.0.iter().map(entry))
    }
}
