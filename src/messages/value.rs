//! What was read of a message: a small tree, each structure with the names of its fields.

use std::borrow::Cow;

/// A field that was read, borrowed from its bytes as far as possible.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// Yes or no.
    Bool(bool),
    /// An integer of any width.
    Int(i64),
    /// A double.
    Float(f64),
    /// A string; what is no UTF-8 is replaced as Java does.
    Text(Cow<'a, str>),
    /// Bytes.
    Bytes(&'a [u8]),
    /// An id.
    Uuid([u8; 16]),
    /// Values of one kind.
    List(Vec<Value<'a>>),
    /// Fields in the order of Kafka's JSON. Those of other versions, and tagged ones that are as
    /// if they were not there, are missing.
    Struct(Vec<(&'static str, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// A field of a structure.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        match self {
            Value::Struct(fields) => fields.iter().find(|(own, _)| *own == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// A field of a structure, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value<'a>> {
        match self {
            Value::Struct(fields) => {
                fields.iter_mut().find(|(own, _)| *own == name).map(|(_, v)| v)
            }
            _ => None,
        }
    }

    /// An integer of a structure.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Value::Int(number)) => Some(*number),
            _ => None,
        }
    }

    /// A string of a structure.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A list of a structure; empty if there is none.
    pub fn list(&self, name: &str) -> &[Value<'a>] {
        match self.get(name) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }
}
