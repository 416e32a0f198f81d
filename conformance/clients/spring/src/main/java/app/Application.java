package app;

import java.util.List;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.client.discovery.DiscoveryClient;
import org.springframework.cloud.context.config.annotation.RefreshScope;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RestController;

/** Registers itself, finds others, and reads its configuration from keys. */
@SpringBootApplication
public class Application {
    public static void main(String[] args) {
        SpringApplication.run(Application.class, args);
    }

    @RestController
    @RefreshScope
    static class Door {
        private final DiscoveryClient discovery;
        private final String greeting;

        Door(DiscoveryClient discovery, @Value("${greeting}") String greeting) {
            this.discovery = discovery;
            this.greeting = greeting;
        }

        @GetMapping("/greeting")
        String greeting() {
            return greeting;
        }

        @GetMapping("/instances/{service}")
        List<String> instances(@PathVariable("service") String service) {
            return discovery.getInstances(service).stream().map(i -> i.getHost() + ":" + i.getPort()).toList();
        }
    }
}
