// Package lab shows what sessions do while they do it, and plays the thief: for somebody who wants to see the protocol at work, on their own
// machine. It is part of the demo, and of nothing else.
//
// What it shows has happened. A Recorder decorates the store and sees each call with the row that it leaves behind; Lab.Record sees each
// request with the tokens that it presents and that its answer carries; and the Manager's events are kept as they come. None of it is
// worked out from what should happen. Stream sends it to the page of the session that it is about, without any token: of a refresh token
// there is a hash of the hash that the store keeps.
//
// It sees one process. Of what others do to a session it learns from the rows that it meets and from the feed of revocations; who has asked for it,
// it cannot know.
//
// Start with NewRecorder, whose Store goes between the Manager and the real one, and then New.
//
// A few things are done on purpose that a service never would: the connection to the database is cut, answers are thrown away, and tokens are
// copied out of requests. So the lab is switched on by a setting, and only where nobody but this machine can reach it.
package lab
