//! What `dump` writes and where to: standard output, or a file that is there only when complete.

use std::io::{self, BufWriter, IsTerminal, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::cli::args::{DecodeArg, DecodeArgs, DumpFormatArgs, EncodingArg, FormatArg};
use crate::cli::out_folder;
use crate::disk::{Disk, WholeFile};
use crate::dump::{
    self, Console, Csv, Decode, Decoded, Encoding, Failure, Json, Kafka, Selection, Show, Sink,
    Source, Text, Witness,
};
use crate::messages::InternalTopic;

/// Large enough that a line is never a system call of its own. Larger pieces pass it by.
const OUTPUT_BUFFER_BYTES: usize = 1 << 18;

/// Format and destination, once they are known to go together.
pub struct Output {
    format: FormatArg,
    sink: Box<dyn Sink>,
    file: Option<PathBuf>,
    show: Show,
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "lines need none"))]
    memory_bytes: u64,
}

impl Output {
    /// Checks the options. `show` is what was asked for.
    pub fn new(
        args: &DumpFormatArgs,
        decode: &DecodeArgs,
        show: Option<Show>,
        memory_bytes: u64,
    ) -> anyhow::Result<Output> {
        let file = args.output.clone().filter(|path| path.as_os_str() != "-");
        let format = format_of(args, file.as_deref());
        check(args, format, show, file.as_deref())?;
        let show = match (show, format) {
            (Some(show), _) => show,
            (None, FormatArg::Kafka) => Show::All,
            (None, _) => Show::Records,
        };
        let sink = match decode.decode {
            Some(decode) => decoded(args, format, decode, file.as_deref())?,
            None => sink(args, format, show, file.as_deref())?,
        };
        Ok(Output { format, sink, file, show, memory_bytes })
    }

    /// What of a log is shown.
    pub fn show(&self) -> Show {
        self.show
    }

    /// Writes what is selected of `sources`.
    pub fn write(
        &self,
        sources: &[Source],
        selection: &Selection,
        witness: &mut dyn Witness,
    ) -> anyhow::Result<()> {
        let Some(path) = &self.file else {
            let mut out = BufWriter::with_capacity(OUTPUT_BUFFER_BYTES, stdout().lock());
            return match dump::run(sources, selection, &*self.sink, &mut out, witness) {
                Ok(()) => Ok(()),
                Err(failure) => {
                    Err(of_failure(failure, || "cannot write to standard output".into()))
                }
            };
        };
        let at_fault = || format!("{}: cannot write", path.display());
        refuse_among(path, sources)?;
        let file = Disk::default().create_whole(path)?;
        if self.format == FormatArg::Parquet {
            return self.write_table(file, sources, selection, witness, at_fault);
        }
        let mut out = BufWriter::with_capacity(OUTPUT_BUFFER_BYTES, file);
        dump::run(sources, selection, &*self.sink, &mut out, witness)
            .map_err(|failure| of_failure(failure, at_fault))?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error);
        Ok(file.with_context(at_fault)?.finish()?)
    }

    #[cfg(feature = "parquet")]
    fn write_table(
        &self,
        file: WholeFile,
        sources: &[Source],
        selection: &Selection,
        witness: &mut dyn Witness,
        at_fault: impl Fn() -> String,
    ) -> anyhow::Result<()> {
        let mut out =
            dump::ParquetFile::new(file, self.show, self.memory_bytes).with_context(&at_fault)?;
        dump::run(sources, selection, &*self.sink, &mut out, witness)
            .map_err(|failure| of_failure(failure, &at_fault))?;
        Ok(out.finish().with_context(&at_fault)?.finish()?)
    }

    #[cfg(not(feature = "parquet"))]
    fn write_table(
        &self,
        _file: WholeFile,
        _sources: &[Source],
        _selection: &Selection,
        _witness: &mut dyn Witness,
        _at_fault: impl Fn() -> String,
    ) -> anyhow::Result<()> {
        bail!(NO_PARQUET)
    }
}

#[cfg(not(feature = "parquet"))]
const NO_PARQUET: &str = "this build cannot write Parquet; build with --features parquet";

/// Kept as it is within: a closed pipe must be known for one.
fn of_failure(failure: Failure, at_fault: impl Fn() -> String) -> anyhow::Error {
    match failure {
        Failure::Input(error) => error.into(),
        Failure::Output(error) => anyhow::Error::new(error).context(at_fault()),
    }
}

/// Who says what a console line holds wants console lines; who calls a file `.csv` wants CSV.
fn format_of(args: &DumpFormatArgs, file: Option<&Path>) -> FormatArg {
    if let Some(format) = args.format {
        return format;
    }
    if args.console.given().is_some() {
        return FormatArg::Console;
    }
    match file.and_then(|path| path.extension()).and_then(|ending| ending.to_str()) {
        Some("csv") => FormatArg::Csv,
        Some("json" | "jsonl" | "ndjson") => FormatArg::Json,
        Some("parquet") => FormatArg::Parquet,
        _ => FormatArg::Text,
    }
}

/// Refuses options that would have no effect: who gives one expects one.
fn check(
    args: &DumpFormatArgs,
    format: FormatArg,
    show: Option<Show>,
    file: Option<&Path>,
) -> anyhow::Result<()> {
    let is_table = matches!(format, FormatArg::Csv | FormatArg::Parquet);
    if args.encoding.is_some() && !matches!(format, FormatArg::Json | FormatArg::Csv) {
        bail!("--encoding is about the strings of JSON and CSV; add --format json or csv");
    }
    if format != FormatArg::Console
        && let Some(option) = args.console.given()
    {
        bail!("{option} is about the lines of the console consumer; add --format console");
    }
    if format == FormatArg::Console && !matches!(show, None | Some(Show::Records)) {
        bail!("--format console has lines for records only; leave out --show");
    }
    if is_table && show == Some(Show::All) {
        bail!("--show all is two tables; show records or batches, or add --format json");
    }
    if format == FormatArg::Parquet && file.is_none() {
        bail!("--format parquet is written to a file; say which with --output FILE");
    }
    #[cfg(not(feature = "parquet"))]
    if format == FormatArg::Parquet {
        bail!(NO_PARQUET);
    }
    Ok(())
}

fn sink(
    args: &DumpFormatArgs,
    format: FormatArg,
    show: Show,
    file: Option<&Path>,
) -> anyhow::Result<Box<dyn Sink>> {
    let columns = if file.is_some() { None } else { terminal_columns() };
    Ok(match format {
        FormatArg::Text => Box::new(Text::new(columns)),
        FormatArg::Json => Box::new(Json::new(encoding(args.encoding))),
        FormatArg::Kafka => Box::new(Kafka),
        FormatArg::Console => Box::new(Console::new(args.console.options()?)),
        FormatArg::Csv => Box::new(Csv::new(encoding(args.encoding), show)),
        #[cfg(feature = "parquet")]
        FormatArg::Parquet => Box::new(dump::ParquetRows),
        #[cfg(not(feature = "parquet"))]
        FormatArg::Parquet => bail!(NO_PARQUET),
    })
}

/// The format around which records of internal topics are decoded.
fn decoded(
    args: &DumpFormatArgs,
    format: FormatArg,
    arg: DecodeArg,
    file: Option<&Path>,
) -> anyhow::Result<Box<dyn Sink>> {
    let decode = match arg {
        DecodeArg::Auto => Decode::Auto,
        DecodeArg::Offsets => Decode::As(InternalTopic::Offsets),
        DecodeArg::Transactions => Decode::As(InternalTopic::Transactions),
        DecodeArg::Metadata => Decode::As(InternalTopic::Metadata),
        DecodeArg::Share => Decode::As(InternalTopic::Share),
    };
    let columns = if file.is_some() { None } else { terminal_columns() };
    Ok(Box::new(match format {
        FormatArg::Text => Decoded::text(decode, columns),
        FormatArg::Json => Decoded::json(decode, encoding(args.encoding)),
        FormatArg::Kafka => Decoded::kafka(decode),
        FormatArg::Console | FormatArg::Csv | FormatArg::Parquet => {
            bail!("--decode has lines in --format text, json and kafka; choose one of these")
        }
    }))
}

fn encoding(arg: Option<EncodingArg>) -> Encoding {
    match arg {
        None | Some(EncodingArg::Auto) => Encoding::Auto,
        Some(EncodingArg::Base64) => Encoding::Base64,
        Some(EncodingArg::Hex) => Encoding::Hex,
    }
}

/// The folders of Kafka that are read are not written to.
fn refuse_among(file: &Path, sources: &[Source]) -> anyhow::Result<()> {
    let folder_of = |source: &Source| match source.path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let partitions = sources.iter().filter(|source| source.at.is_some());
    let mut folders: Vec<PathBuf> = partitions.map(folder_of).collect();
    folders.dedup();
    out_folder::refuse_inside(file, &folders, "--output")
}

/// The width to fit lines into; none where the output is no terminal.
fn terminal_columns() -> Option<usize> {
    if !stdout().is_terminal() {
        return None;
    }
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}
