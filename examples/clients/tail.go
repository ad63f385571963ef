// go mod init tail && go get github.com/gorilla/websocket && go run tail.go ws://127.0.0.1:8420/ws/sessions/<scroll_id>
//
// Prints what is said in a session, and then what is added to it; a lost connection is taken up where it was lost.

package main

import (
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/gorilla/websocket"
)

// message is any message of the server: what it does not have stays empty.
type message struct {
	Type, Code, Epoch, Resume, Message string
	Seq                                int
	Millis                             int64         `json:"t_ms"`
	RetryAfter                         time.Duration `json:"retry_after_ms"`
	State                              struct{ Seq int }
	Event                              struct {
		Message struct {
			Role    string
			Content []struct{ Type, Text string }
		}
	}
}

var epoch string // of the session, once the server has greeted
var next int     // the event that has not come yet
var wait = time.Second / 4

func take(m message) {
	switch {
	case m.Resume == "reset" || m.Code == "archive_rewritten":
		fail("the session was rewritten")
	case m.Type == "hello":
		epoch, next, wait = m.Epoch, m.State.Seq, time.Second/4
	case m.Type == "event":
		show(m)
		next = m.Seq + 1
	case m.Type == "error":
		fmt.Fprintln(os.Stderr, m.Message)
		wait += m.RetryAfter * time.Millisecond
	}
}

func show(m message) {
	clock := time.UnixMilli(m.Millis).UTC().Format("15:04:05")
	for _, part := range m.Event.Message.Content {
		if part.Type == "text" {
			fmt.Printf("%s %s: %s\n", clock, m.Event.Message.Role, part.Text)
		}
	}
}

// replay is one connection, to its end: the code with which the server closed it, 1006 where it did not.
func replay(address string) int {
	address += "?follow=true"
	if epoch != "" {
		address += fmt.Sprintf("&start_seq=%d&epoch=%s", next, url.QueryEscape(epoch))
	}
	dialer := websocket.Dialer{Subprotocols: []string{"scrollcast.v1"}}
	socket, _, err := dialer.Dial(address, nil)
	if err != nil && epoch == "" {
		fail(err.Error())
	}
	for m := (message{}); err == nil; m = (message{}) {
		if err = socket.ReadJSON(&m); err == nil {
			take(m)
		}
	}
	if socket != nil {
		socket.Close()
	}
	if closed, is := err.(*websocket.CloseError); is {
		return closed.Code
	}
	return 1006
}

func main() {
	if len(os.Args) != 2 {
		fail("usage: tail ADDRESS")
	}
	for code := 0; code != 1000 && code != 1008 && code < 4500; time.Sleep(wait) {
		code = replay(os.Args[1])
	}
	fail("the server has closed for good")
}

func fail(why string) {
	fmt.Fprintln(os.Stderr, why)
	os.Exit(1)
}
