// Egress's side of psrpc, for tests: it takes LiveKit's requests from Redis and hands them on as
// JSON lines, and reports to LiveKit what it is told. Whoever started it does the recording.
//
// Out, one object a line: {"type":"ready"}, {"type":"start","id":1,"token":"...","request":{...}},
// {"type":"stop","id":2,"egress_id":"..."}.
// In: {"type":"reply","id":1,"info":{...}} or {"type":"reply","id":1,"error":"..."},
// {"type":"update","info":{...}}. An info is a livekit.EgressInfo in protobuf's JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/livekit/protocol/egress"
	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/rpc"
	"github.com/livekit/psrpc"
	"github.com/redis/go-redis/v9"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

const (
	maxLineBytes = 1 << 20
	replyTimeout = 9 * time.Second // LiveKit waits ten
	// What a real Egress with room to spare answers for a track.
	affinity = 1
)

type line struct {
	Type     string          `json:"type"`
	ID       int             `json:"id,omitempty"`
	Token    string          `json:"token,omitempty"`
	EgressID string          `json:"egress_id,omitempty"`
	Request  json.RawMessage `json:"request,omitempty"`
	Info     json.RawMessage `json:"info,omitempty"`
	Error    string          `json:"error,omitempty"`
}

type peer struct {
	bus    psrpc.MessageBus
	io     rpc.IOInfoClient
	key    string
	secret string

	mu       sync.Mutex
	lastID   int
	waiting  map[int]chan line
	handlers map[string]rpc.EgressHandlerServer
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "egress-peer:", err)
		os.Exit(1)
	}
}

func run() error {
	client := redis.NewClient(&redis.Options{Addr: os.Getenv("REDIS_ADDRESS")})
	if err := client.Ping(context.Background()).Err(); err != nil {
		return err
	}
	bus := psrpc.NewRedisMessageBus(client)
	io, err := rpc.NewIOInfoClient(bus)
	if err != nil {
		return err
	}
	p := &peer{
		bus:      bus,
		io:       io,
		key:      os.Getenv("LIVEKIT_API_KEY"),
		secret:   os.Getenv("LIVEKIT_API_SECRET"),
		waiting:  map[int]chan line{},
		handlers: map[string]rpc.EgressHandlerServer{},
	}
	server, err := rpc.NewEgressInternalServer(p, bus)
	if err != nil {
		return err
	}
	for _, register := range []func(string) error{
		server.RegisterStartEgressTopic, server.RegisterListActiveEgressTopic,
	} {
		if err := register(""); err != nil {
			return err
		}
	}
	p.say(line{Type: "ready"})
	return p.listen()
}

// listen reads what the recorder says until it goes away.
func (p *peer) listen() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, maxLineBytes), maxLineBytes)
	for lines.Scan() {
		var said line
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			return err
		}
		switch said.Type {
		case "reply":
			p.mu.Lock()
			waiting := p.waiting[said.ID]
			p.mu.Unlock()
			if waiting != nil {
				waiting <- said
			}
		case "update":
			if err := p.update(said.Info); err != nil {
				fmt.Fprintln(os.Stderr, "egress-peer: update:", err)
			}
		default:
			return fmt.Errorf("a line of unknown type %q", said.Type)
		}
	}
	return lines.Err()
}

func (p *peer) update(text json.RawMessage) error {
	info := &livekit.EgressInfo{}
	if err := protojson.Unmarshal(text, info); err != nil {
		return err
	}
	_, err := p.io.UpdateEgress(context.Background(), info)
	if info.Status >= livekit.EgressStatus_EGRESS_COMPLETE {
		p.mu.Lock()
		handler := p.handlers[info.EgressId]
		delete(p.handlers, info.EgressId)
		p.mu.Unlock()
		if handler != nil {
			handler.Kill()
		}
	}
	return err
}

// ask hands a request to the recorder and waits for its reply.
func (p *peer) ask(ctx context.Context, said line) (*livekit.EgressInfo, error) {
	answer := make(chan line, 1)
	p.mu.Lock()
	p.lastID++
	said.ID = p.lastID
	p.waiting[said.ID] = answer
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.waiting, said.ID)
		p.mu.Unlock()
	}()
	p.say(said)
	select {
	case reply := <-answer:
		if reply.Error != "" {
			return nil, psrpc.NewErrorf(psrpc.InvalidArgument, "%s", reply.Error)
		}
		info := &livekit.EgressInfo{}
		return info, protojson.Unmarshal(reply.Info, info)
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(replyTimeout):
		return nil, psrpc.NewErrorf(psrpc.DeadlineExceeded, "the recorder did not answer")
	}
}

func (p *peer) say(said line) {
	text, err := json.Marshal(said)
	if err != nil {
		panic(err) // a struct of strings
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	os.Stdout.Write(append(text, '\n'))
}

// What LiveKit calls.

func (p *peer) StartEgress(ctx context.Context, req *rpc.StartEgressRequest) (*livekit.EgressInfo, error) {
	name := req.GetTrack().GetRoomName()
	token, err := egress.BuildEgressToken(req.EgressId, p.key, p.secret, name)
	if err != nil {
		return nil, err
	}
	handler, err := rpc.NewEgressHandlerServer(p, p.bus)
	if err != nil {
		return nil, err
	}
	if err := handler.RegisterStopEgressTopic(req.EgressId); err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.handlers[req.EgressId] = handler
	p.mu.Unlock()
	info, err := p.ask(ctx, line{Type: "start", Token: token, Request: asJSON(req)})
	if err != nil {
		p.mu.Lock()
		delete(p.handlers, req.EgressId)
		p.mu.Unlock()
		handler.Kill()
	}
	return info, err
}

func (p *peer) StartEgressAffinity(context.Context, *rpc.StartEgressRequest) float32 {
	return affinity
}

func (p *peer) ListActiveEgress(context.Context, *rpc.ListActiveEgressRequest) (*rpc.ListActiveEgressResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	active := &rpc.ListActiveEgressResponse{}
	for id := range p.handlers {
		active.EgressIds = append(active.EgressIds, id)
	}
	return active, nil
}

func (p *peer) StopEgress(ctx context.Context, req *livekit.StopEgressRequest) (*livekit.EgressInfo, error) {
	return p.ask(ctx, line{Type: "stop", EgressID: req.EgressId})
}

func (p *peer) UpdateEgress(context.Context, *livekit.UpdateEgressRequest) (*livekit.EgressInfo, error) {
	return nil, psrpc.NewErrorf(psrpc.Unimplemented, "tracks have nothing to update")
}

func (p *peer) UpdateStream(context.Context, *livekit.UpdateStreamRequest) (*livekit.EgressInfo, error) {
	return nil, psrpc.NewErrorf(psrpc.Unimplemented, "tracks have no streams")
}

func asJSON(message proto.Message) json.RawMessage {
	text, err := protojson.Marshal(message)
	if err != nil {
		panic(err) // it came out of protobuf a moment ago
	}
	return text
}
