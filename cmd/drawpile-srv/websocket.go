package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"drawrelay/store/settings"
)

// checkWebSocket reads the options of the WebSocket port (configuration.md
// §2.2, §18) and our own ones beside it. It comes after checkTLS.
func (o *options) checkWebSocket(g given) error {
	if g.has("websocket-port") {
		n, err := settings.ParseInt(g["websocket-port"])
		if err != nil || n < 0 || n > 65535 {
			return fmt.Errorf("--websocket-port %s: write a port from 0 to 65535", g["websocket-port"])
		}
		o.webPort = n
	}
	if g.has("websocket-listen") {
		addr, err := netip.ParseAddr(g["websocket-listen"])
		if err != nil {
			return fmt.Errorf("--websocket-listen %s: write an IP address", g["websocket-listen"])
		}
		if o.webListen = addr; o.webPort == 0 {
			o.warn("--websocket-listen has no effect without --websocket-port")
		}
	}
	o.singlePort = g.has("single-port")
	if !g.has("websocket-ssl") {
		return nil
	}
	switch {
	case o.webPort == 0:
		return errors.New("--websocket-ssl has no effect without --websocket-port; add that or remove it")
	case o.certFile == "" && o.selfSigned == "":
		return errors.New("--websocket-ssl needs a certificate; add --ssl-cert and --ssl-key")
	}
	o.webTLS = true
	return nil
}

// openDoors begins to serve the clients at the ports.
func (p *process) openDoors(o *options) {
	open := func(l net.Listener, name string, serve func(net.Listener) error) {
		d := newDoor(l, p.reloader, name)
		p.doors = append(p.doors, d)
		go p.accept(d, serve)
	}
	serve := p.login.Serve
	if o.singlePort {
		serve = p.login.ServeAny
	}
	open(p.sockets.tcp, "TCP", serve)
	if p.sockets.websocket == nil {
		return
	}
	if serve = p.login.ServeWeb; o.webTLS {
		serve = p.login.ServeWebTLS
	}
	open(p.sockets.websocket, "WebSocket", serve)
}
