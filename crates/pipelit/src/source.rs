use crate::SourceRows;

/// A database of Pipelit.
pub trait Source {
    /// Reads every row that is imported, as of one moment. Nothing is changed.
    ///
    /// Which columns there are depends on the version that made the database; what a version does
    /// not have is read as absent.
    fn rows(&self) -> Result<SourceRows, SourceError>;
}

/// Why a source was not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// There is no file.
    #[error("there is no such database")]
    Missing,
    /// It is a database of something else.
    #[error("this is no database of Pipelit: it has no table `{0}`")]
    NotPipelit(&'static str),
    /// It does not answer, or not as expected.
    #[error("the database of Pipelit cannot be read")]
    Failed(#[source] keyward_core::Source),
}
