// Package disk is the file system as the log sees it.
//
// FS names the few things a log asks of a disk: positioned reads and writes, truncation, rename, and
// the two syncs (of a file's bytes, of a directory's names). Two implement it. OS is the real one.
// Crashing keeps everything in memory and remembers what was synced, so that a test can pull the plug
// after any step and look at what a power failure would have left; it also fails on request, with
// EIO or ENOSPC, at the operation a test chooses.
//
// A name is durable only after SyncDir of its directory, bytes only after Sync of their file. Code
// that holds on Crashing holds on any file system that keeps POSIX's promises and no more.
package disk
