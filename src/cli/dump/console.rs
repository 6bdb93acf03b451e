//! What `dump --format console` prints: our options, and Kafka's names for the same.

use anyhow::{Context, bail};

use crate::cli::args::{ConsoleArgs, FieldArg};
use crate::dump::{ConsoleOptions, Field};

impl ConsoleArgs {
    /// The name of an option that was given, if any was.
    pub(super) fn given(&self) -> Option<&'static str> {
        let options = [
            ("--print", self.print.is_some()),
            ("--key-separator", self.key_separator.is_some()),
            ("--line-separator", self.line_separator.is_some()),
            ("--headers-separator", self.headers_separator.is_some()),
            ("--null-literal", self.null_literal.is_some()),
            ("--property", !self.property.is_empty()),
        ];
        options.iter().find(|(_, is_given)| *is_given).map(|(name, _)| *name)
    }

    /// What is to be printed.
    pub(super) fn options(&self) -> anyhow::Result<ConsoleOptions> {
        let mut options = ConsoleOptions::default();
        if let Some(print) = &self.print {
            options.fields = print.iter().map(field).collect();
        }
        let texts = [
            (&self.key_separator, &mut options.key_separator),
            (&self.line_separator, &mut options.line_separator),
            (&self.headers_separator, &mut options.headers_separator),
            (&self.null_literal, &mut options.null_literal),
        ];
        for (given, option) in texts {
            if let Some(text) = given {
                *option = text.clone().into_bytes();
            }
        }
        for property in &self.property {
            // As Kafka reads it: a name alone stands for an empty text.
            let (name, value) = property.split_once('=').unwrap_or((property, ""));
            set(&mut options, name, value).with_context(|| format!("--property {property}"))?;
        }
        Ok(options)
    }
}

fn set(options: &mut ConsoleOptions, name: &str, value: &str) -> anyhow::Result<()> {
    match name {
        "key.separator" => options.key_separator = value.into(),
        "line.separator" => options.line_separator = value.into(),
        "headers.separator" => options.headers_separator = value.into(),
        "null.literal" => options.null_literal = value.into(),
        "key.deserializer" => options.key = value.parse().map_err(anyhow::Error::msg)?,
        "value.deserializer" => options.value = value.parse().map_err(anyhow::Error::msg)?,
        "headers.deserializer" => options.headers = value.parse().map_err(anyhow::Error::msg)?,
        _ => {
            let field = match name.strip_prefix("print.") {
                Some("key") => Field::Key,
                Some("value") => Field::Value,
                Some("timestamp") => Field::Timestamp,
                Some("partition") => Field::Partition,
                Some("offset") => Field::Offset,
                Some("delivery") => Field::Delivery,
                Some("epoch") => Field::Epoch,
                Some("headers") => Field::Headers,
                _ => bail!("Kafka's formatter has no such property; see 'logcompact dump --help'"),
            };
            options.fields.retain(|other| *other != field);
            match value.trim() {
                text if text.eq_ignore_ascii_case("true") => options.fields.push(field),
                text if text.eq_ignore_ascii_case("false") => {}
                _ => bail!("expected true or false"),
            }
        }
    }
    Ok(())
}

fn field(arg: &FieldArg) -> Field {
    match arg {
        FieldArg::Key => Field::Key,
        FieldArg::Value => Field::Value,
        FieldArg::Timestamp => Field::Timestamp,
        FieldArg::Offset => Field::Offset,
        FieldArg::Partition => Field::Partition,
        FieldArg::Headers => Field::Headers,
        FieldArg::Epoch => Field::Epoch,
        FieldArg::Delivery => Field::Delivery,
    }
}
